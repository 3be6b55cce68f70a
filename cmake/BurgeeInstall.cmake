# find_package(burgee) and pkg-config for the header-only client; the programs when they are built.
include(CMakePackageConfigHelpers)

install(TARGETS burgee_shm_format burgee_client EXPORT burgee)
install(EXPORT burgee NAMESPACE burgee:: DESTINATION ${CMAKE_INSTALL_DATADIR}/cmake/burgee
    FILE burgee-targets.cmake)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/burgee-config.cmake.in
    ${PROJECT_BINARY_DIR}/burgee-config.cmake
    INSTALL_DESTINATION ${CMAKE_INSTALL_DATADIR}/cmake/burgee)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/burgee-config-version.cmake
    COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
configure_file(${CMAKE_CURRENT_LIST_DIR}/burgee.pc.in ${PROJECT_BINARY_DIR}/burgee.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/burgee-config.cmake
    ${PROJECT_BINARY_DIR}/burgee-config-version.cmake
    DESTINATION ${CMAKE_INSTALL_DATADIR}/cmake/burgee)
install(FILES ${PROJECT_BINARY_DIR}/burgee.pc DESTINATION ${CMAKE_INSTALL_DATADIR}/pkgconfig)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/shm/include/burgee
    ${PROJECT_SOURCE_DIR}/clientlib/include/burgee
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")
if(TARGET burgeed)
    install(TARGETS burgeed burgee_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    install(FILES ${PROJECT_SOURCE_DIR}/systemd/burgeed.service
        ${PROJECT_SOURCE_DIR}/systemd/burgeed.socket DESTINATION lib/systemd/system)
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/systemd/sysusers.d
        ${PROJECT_SOURCE_DIR}/systemd/tmpfiles.d DESTINATION lib)
endif()
