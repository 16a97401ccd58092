# Interface files: node-kernel/<module>/<name>.idl -> generated/<module>/<name>.idl.h and its siblings
# <name>.types.h, <name>.dispatch.h, <name>.stub.h, made once and shared by the kernel, user and
# hosted builds. What each holds: node-kernel/idl/README.md.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(K42_GENERATED ${CMAKE_BINARY_DIR}/generated)
set(K42_GENERATOR ${CMAKE_SOURCE_DIR}/node-kernel/idl/generate.py)
file(GLOB K42_GENERATOR_PARTS CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/node-kernel/idl/*.py)
file(GLOB K42_IDL_FILES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/node-kernel/*/*.idl
     ${CMAKE_SOURCE_DIR}/tests/*/*.idl)

set(K42_IDL_HEADERS)
foreach(idl ${K42_IDL_FILES})
  get_filename_component(name ${idl} NAME)
  get_filename_component(folder ${idl} DIRECTORY)
  get_filename_component(module ${folder} NAME)
  get_filename_component(stem ${idl} NAME_WE)
  set(header ${K42_GENERATED}/${module}/${name}.h)
  set(parts)
  foreach(part types dispatch stub forward wire serve)
    list(APPEND parts ${K42_GENERATED}/${module}/${stem}.${part}.h)
  endforeach()
  add_custom_command(
    OUTPUT ${header} ${parts}
    COMMAND Python3::Interpreter ${K42_GENERATOR} --search ${CMAKE_SOURCE_DIR}/node-kernel
            --search ${CMAKE_SOURCE_DIR}/tests ${idl} -o ${header}
    DEPENDS ${K42_IDL_FILES} ${K42_GENERATOR_PARTS}
    COMMENT "Interface ${module}/${name}")
  list(APPEND K42_IDL_HEADERS ${header} ${parts})
endforeach()
add_custom_target(k42_generate DEPENDS ${K42_IDL_HEADERS})
add_library(k42_interfaces INTERFACE)
target_include_directories(k42_interfaces INTERFACE ${CMAKE_SOURCE_DIR}/node-kernel ${K42_GENERATED})
add_dependencies(k42_interfaces k42_generate)
