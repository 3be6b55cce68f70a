# burgee::daemon: everything of burgeed but its main(); burgeed: the program.
execute_process(COMMAND git -C ${PROJECT_SOURCE_DIR} rev-parse --short HEAD
    OUTPUT_VARIABLE burgee_commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)

add_library(burgee_daemon STATIC
    config.cpp
    daemon.cpp
    flag_loop.cpp
    log.cpp
    notify.cpp
    owned_directory.cpp
    row_problems.cpp
    snapshot_saver.cpp
    spool_opening.cpp
    status_files.cpp)
add_library(burgee::daemon ALIAS burgee_daemon)
target_link_libraries(burgee_daemon
    PUBLIC burgee::shm burgee::sync burgee::spool burgee::event_server burgee::uploader
    PRIVATE Boost::headers spdlog::spdlog tomlplusplus::tomlplusplus)
set_source_files_properties(daemon.cpp PROPERTIES COMPILE_DEFINITIONS
    "BURGEE_VERSION=\"${PROJECT_VERSION}\";BURGEE_COMMIT=\"${burgee_commit}\"")

add_executable(burgeed main.cpp)
target_link_libraries(burgeed PRIVATE burgee::daemon)
