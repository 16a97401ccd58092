# Programs and libraries of the companion Linux.
# k42_host_library(NAME FOLDER LIBRARIES...): all of FOLDER/*.cc
function(k42_host_library name folder)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.cc)
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC k42_hosted_flags ${ARGN})
endfunction()
