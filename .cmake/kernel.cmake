# Freestanding code: the kernel image, loadable modules, and programs for the nodes' user space.
# Why each flag: node-kernel/README.md, "Language and build".
set(K42_FREESTANDING_FLAGS
  -ffreestanding -fno-stack-protector -fcf-protection=none -fno-omit-frame-pointer
  -fno-asynchronous-unwind-tables -fvisibility=hidden -mno-red-zone -O2
  $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions -fno-rtti -fno-threadsafe-statics
    -fno-use-cxa-atexit -nostdinc++>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-fno-devirtualize
    -fno-devirtualize-speculatively>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:Clang>>:-fno-c++-static-destructors>)
# No vector, no x87 in code that may run with somebody else's registers live.
set(K42_NO_VECTOR_FLAGS -mno-sse -mno-mmx)

# k42_debug_kernel_flags: with debug checks (kDebugChecks, base/assert.h). k42_kernel_flags: without.
add_library(k42_debug_kernel_flags INTERFACE)
target_compile_options(k42_debug_kernel_flags INTERFACE ${K42_FREESTANDING_FLAGS}
  ${K42_NO_VECTOR_FLAGS} -fpie -mcmodel=small)
add_library(k42_kernel_flags INTERFACE)
target_compile_options(k42_kernel_flags INTERFACE -DNDEBUG)
target_link_libraries(k42_kernel_flags INTERFACE k42_debug_kernel_flags)
# -nostdinc++ keeps the compiler from finding libstdc++ by itself; the vetted headers come back here.
execute_process(COMMAND ${CMAKE_CXX_COMPILER} -E -x c++ - -v INPUT_FILE /dev/null
                OUTPUT_QUIET ERROR_VARIABLE k42_include_paths)
string(REGEX MATCHALL "\n (/[^\n]*/c\\+\\+[^\n]*)" k42_cxx_paths "${k42_include_paths}")
foreach(path ${k42_cxx_paths})
  string(STRIP "${path}" path)
  target_compile_options(k42_debug_kernel_flags INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-isystem ${path}>")
  list(APPEND K42_CXX_INCLUDE_OPTIONS "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-isystem ${path}>")
endforeach()
target_include_directories(k42_debug_kernel_flags INTERFACE
  ${CMAKE_SOURCE_DIR}/node-kernel/platform/x86_64/kernel
  ${CMAKE_SOURCE_DIR}/node-kernel/platform/x86_64/shared)
target_link_libraries(k42_debug_kernel_flags INTERFACE k42_warnings k42_interfaces)
