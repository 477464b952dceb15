# `cmake --install`: programs, public headers, libraries, and the package that find_package(fanfold)
# reads.
include(CMakePackageConfigHelpers)

get_property(libraries GLOBAL PROPERTY FANFOLD_LIBRARIES)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/fanfold)

install(TARGETS fanfold fanfold-broker fanfold-worker fanfold-gatherer
        RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS fanfold-guardian RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/fanfold)
install(DIRECTORY shared/include/ worker/include/ scatterer/include/
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")

install(TARGETS ${libraries} EXPORT fanfold-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT fanfold-targets NAMESPACE fanfold:: DESTINATION ${package_folder})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/fanfold-config.cmake.in
    ${PROJECT_BINARY_DIR}/package/fanfold-config.cmake INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/fanfold-config-version.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/fanfold-config.cmake
    ${PROJECT_BINARY_DIR}/package/fanfold-config-version.cmake
        DESTINATION ${package_folder})
