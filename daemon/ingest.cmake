# The way in: checks, sessions, the queue to the spool, and the event socket.
#   burgee::event_server  C++20; the one target with Boost.Asio's sockets of clients
add_library(burgee_event_server STATIC
    client_drops.cpp event_check.cpp event_connection.cpp event_listener.cpp event_server.cpp
    event_server_accept.cpp event_server_reading.cpp event_server_reports.cpp exposure_memory.cpp
    ingest_conversation.cpp ingest_queue.cpp metadata_check.cpp refusal_log.cpp session_table.cpp)
add_library(burgee::event_server ALIAS burgee_event_server)
target_link_libraries(burgee_event_server
    PUBLIC burgee::spool burgee::client burgee::project Threads::Threads
    PRIVATE Boost::headers spdlog::spdlog)
