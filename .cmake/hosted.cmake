# The same kernel sources built for the host, over platform/hosted, for GoogleTest and sanitizers.
set(K42_SANITIZE "" CACHE STRING "sanitizers of the hosted build: address,undefined or thread")
add_library(k42_hosted_flags INTERFACE)
target_include_directories(k42_hosted_flags INTERFACE
  ${CMAKE_SOURCE_DIR}/node-kernel/platform/hosted)
target_compile_options(k42_hosted_flags INTERFACE -fno-omit-frame-pointer
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-fno-devirtualize
    -fno-devirtualize-speculatively>)
target_link_libraries(k42_hosted_flags INTERFACE k42_warnings k42_interfaces)
if(K42_SANITIZE)
  target_compile_options(k42_hosted_flags INTERFACE -fsanitize=${K42_SANITIZE} -fno-sanitize-recover=all
    -fno-sanitize=vptr)  # an empty slot is its own fake object (cobj/slot.h); and the kernel has no RTTI
  target_link_options(k42_hosted_flags INTERFACE -fsanitize=${K42_SANITIZE})
endif()

# Tests misuse locks on purpose, to see the checks that find it. (A property of the sources: it comes
# after the warnings that the targets bring.)
function(k42_misuses_locks)
  set_source_files_properties(${ARGN} PROPERTIES
    COMPILE_OPTIONS "$<$<CXX_COMPILER_ID:Clang>:-Wno-thread-safety>")
endfunction()

# k42_unit_tests(MODULE LIBRARIES...): tests/unit/MODULE/*.cc -> bin/unit_MODULE
function(k42_unit_tests module)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/unit/${module}/*.cc)
  if(NOT sources)
    return()
  endif()
  add_executable(unit_${module} ${sources})
  target_include_directories(unit_${module} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  k42_misuses_locks(${sources})
  # What is tested is compiled as ever; the tests themselves need not be fast, but compiled soon.
  target_compile_options(unit_${module} PRIVATE -O1)
  target_link_libraries(unit_${module} PRIVATE ${ARGN} k42_hosted_flags GTest::gtest GTest::gtest_main)
endfunction()
