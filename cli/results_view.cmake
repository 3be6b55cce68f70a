# burgee::results_view: an experiment's report as text and as JSON.
add_library(burgee_results_view STATIC
    ${CMAKE_CURRENT_LIST_DIR}/interval_plot.cpp ${CMAKE_CURRENT_LIST_DIR}/results_json.cpp
    ${CMAKE_CURRENT_LIST_DIR}/results_text.cpp)
add_library(burgee::results_view ALIAS burgee_results_view)
target_link_libraries(burgee_results_view
    PUBLIC burgee::stats burgee::project PRIVATE burgee::cli_grammar burgee::flag_set)
