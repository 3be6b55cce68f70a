# burgee::daemon: everything of burgeed but its main(); burgeed: the program.
add_library(burgee_daemon STATIC
    config.cpp
    flag_loop.cpp
    log.cpp
    notify.cpp
    status_files.cpp)
add_library(burgee::daemon ALIAS burgee_daemon)
target_link_libraries(burgee_daemon
    PUBLIC burgee::shm burgee::sync burgee::spool
    PRIVATE spdlog::spdlog tomlplusplus::tomlplusplus)
