# Loadable modules. A module is built in two steps, because the kernel's build id stands in it:
#   k42_module_objects(NAME SOURCES...)     -> modules/NAME.o, sections merged, for no kernel yet
#   k42_module(NAME KERNEL OBJECTS)         -> modules/NAME.ko, for that kernel image only; its imports
#                                              are checked against what the image exports
# How to write one: node-kernel/cobj/README.md, "Modules".
set(K42_MODULE_TOOL ${CMAKE_SOURCE_DIR}/.cmake/finish_module.py)
set(K42_MODULE_SCRIPT ${CMAKE_SOURCE_DIR}/.cmake/module.ld)
set(K42_MODULES ${CMAKE_BINARY_DIR}/modules)
# GNU's, whatever CMake takes for the compiler's linker: lld merges no section groups.
find_program(K42_GNU_LD NAMES ld.bfd REQUIRED)
file(MAKE_DIRECTORY ${K42_MODULES})

function(k42_module_objects name)
  add_library(${name}_objects OBJECT ${ARGN})
  target_link_libraries(${name}_objects PRIVATE k42_kernel_flags)
  target_include_directories(${name}_objects PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  add_custom_command(
    OUTPUT ${K42_MODULES}/${name}.o
    COMMAND ${K42_GNU_LD} -r -S -d --force-group-allocation -T ${K42_MODULE_SCRIPT}
            $<TARGET_OBJECTS:${name}_objects> -o ${K42_MODULES}/${name}.o
    DEPENDS ${name}_objects $<TARGET_OBJECTS:${name}_objects> ${K42_MODULE_SCRIPT}
    COMMAND_EXPAND_LISTS
    COMMENT "Module ${name}, for no kernel yet")
  add_custom_target(${name}_linked DEPENDS ${K42_MODULES}/${name}.o)
endfunction()

function(k42_module name kernel objects)
  add_custom_command(
    OUTPUT ${K42_MODULES}/${name}.ko
    COMMAND Python3::Interpreter ${K42_MODULE_TOOL} ${CMAKE_NM} $<TARGET_FILE:${kernel}>
            ${K42_MODULES}/${objects}.o ${K42_MODULES}/${name}.ko
    DEPENDS ${K42_MODULES}/${objects}.o ${objects}_linked ${kernel} ${K42_MODULE_TOOL}
    COMMENT "Module ${name} for ${kernel}")
  add_custom_target(${name} ALL DEPENDS ${K42_MODULES}/${name}.ko)
endfunction()
