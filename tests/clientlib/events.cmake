# The client's event side: ring, numbering, conversation, fork, signals, exit.
burgee_test(clientlib_events_test THREADED LABELS unit
    SOURCES event_peer.cpp event_conversation_test.cpp event_encoder_test.cpp event_exit_test.cpp
        event_fork_test.cpp event_pace_test.cpp event_resume_test.cpp event_ring_test.cpp
        event_sender_test.cpp event_signal_test.cpp event_silence_test.cpp event_timing_test.cpp
        event_trust_test.cpp event_window_test.cpp
    LIBRARIES burgee::client burgee::test_support)
add_executable(clientlib_exit_while_tracking exit_while_tracking.cpp)
target_link_libraries(clientlib_exit_while_tracking PRIVATE burgee::project burgee::client)
add_dependencies(clientlib_events_test clientlib_exit_while_tracking)
target_compile_definitions(clientlib_events_test PRIVATE
    BURGEE_EXIT_WHILE_TRACKING="$<TARGET_FILE:clientlib_exit_while_tracking>")

# A program of its own: it replaces clock_gettime() and pthread_create(), as sanitizers do.
if(NOT BURGEE_SANITIZE)
    burgee_test(clientlib_event_clock_test LABELS unit
        SOURCES event_peer.cpp event_clock_test.cpp
        LIBRARIES burgee::client ${CMAKE_DL_LIBS})
endif()

# Exposures that evaluate() tells by itself: from real snapshots to a daemon's end of the socket.
burgee_test(clientlib_exposure_test THREADED LABELS unit
    SOURCES event_peer.cpp exposure_table_test.cpp exposure_test.cpp published_directory.cpp
    LIBRARIES burgee::client burgee::shm)
