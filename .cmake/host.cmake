# Programs and libraries of the companion Linux.
# k42_host_library(NAME FOLDER LIBRARIES...): all of FOLDER/*.cc
function(k42_host_library name folder)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.cc)
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC k42_hosted_flags ${ARGN})
endfunction()

# k42_host_program(NAME FOLDER LIBRARIES...): all of FOLDER/*.cc -> bin/NAME
function(k42_host_program name folder)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.cc)
  add_executable(${name} ${sources})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE k42_hosted_flags ${ARGN})
endfunction()

# k42_host_tests(MODULE LIBRARIES...): tests/unit/MODULE against host libraries; built and run with
# the sanitizers as well, unless the libraries under it are not (k42_host_tests_unsanitized).
find_package(GTest REQUIRED)
function(k42_host_tests module)
  k42_unit_tests(${module} ${ARGN})
  set_property(GLOBAL APPEND PROPERTY K42_HOST_TEST_MODULES ${module})
  if(TARGET unit_${module})
    set_property(GLOBAL APPEND PROPERTY K42_SANITIZED_HOST_TESTS unit_${module})
  endif()
endfunction()
function(k42_host_tests_unsanitized module)
  set_property(GLOBAL APPEND PROPERTY K42_HOST_TEST_MODULES ${module})
  if(NOT K42_SANITIZE)
    k42_unit_tests(${module} ${ARGN})
  endif()
endfunction()
