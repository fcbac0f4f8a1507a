# cmake --install, and find_package(forerun) for those who link the libraries.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# measure's libraries stay inside: they carry LibTorch and MPI with them.
set(FORERUN_PUBLIC_LIBRARIES forerun_libcsv)
foreach(library forerun_model forerun_calib forerun_predict)
  if(TARGET ${library})
    list(APPEND FORERUN_PUBLIC_LIBRARIES ${library})
    string(REPLACE forerun_ "" short_name ${library})
    set_target_properties(${library} PROPERTIES EXPORT_NAME ${short_name})
    target_include_directories(${library} INTERFACE $<INSTALL_INTERFACE:include/forerun>)
  endif()
endforeach()
set_target_properties(forerun_libcsv PROPERTIES EXPORT_NAME libcsv)
install(TARGETS ${FORERUN_PUBLIC_LIBRARIES} EXPORT forerun
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})

foreach(program measure calibrate predict report)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()

# "model/step_time.h" is found by the same name as in this tree.
foreach(folder model calib predict)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${folder} DESTINATION include/forerun
    FILES_MATCHING PATTERN "*.h" PATTERN schema EXCLUDE)
endforeach()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/model/io/schema
  DESTINATION ${CMAKE_INSTALL_DATADIR}/forerun FILES_MATCHING PATTERN "*.json")
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(forerun_package ${CMAKE_INSTALL_LIBDIR}/cmake/forerun)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/forerunConfig.cmake.in
  ${PROJECT_BINARY_DIR}/forerunConfig.cmake INSTALL_DESTINATION ${forerun_package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/forerunConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/forerunConfig.cmake ${PROJECT_BINARY_DIR}/forerunConfigVersion.cmake
  DESTINATION ${forerun_package})
install(EXPORT forerun FILE forerunTargets.cmake NAMESPACE forerun:: DESTINATION ${forerun_package})
