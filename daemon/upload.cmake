# burgee::uploader: takes events from the spool to PostgreSQL; the only daemon code that writes there.
add_library(burgee_uploader STATIC event_decode.cpp uploader.cpp uploader_upkeep.cpp)
add_library(burgee::uploader ALIAS burgee_uploader)
target_link_libraries(burgee_uploader
    PUBLIC burgee::project burgee::spool burgee::sync
    PRIVATE burgee::client spdlog::spdlog Threads::Threads)
