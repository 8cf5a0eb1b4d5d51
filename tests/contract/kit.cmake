# The conformance kit: for each kind of plugin a program that checks one. They see the SDK and cmocka
# and nothing else, so that they are installed as source, for whoever writes plugins elsewhere.

# sluice_add_contract(<kind> SOURCES <file>... [LIBRARIES <library>...]) builds contract-<kind>.
function(sluice_add_contract KIND)
    cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES" ${ARGN})
    add_executable(contract-${KIND} ${ARG_SOURCES} ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/host.c)
    target_include_directories(contract-${KIND} PRIVATE ${CMAKE_CURRENT_FUNCTION_LIST_DIR})
    target_link_libraries(contract-${KIND} PRIVATE sluice::plugin PkgConfig::CMOCKA dl
        ${ARG_LIBRARIES})
    set_target_properties(contract-${KIND} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
endfunction()

find_package(Threads REQUIRED)
sluice_add_contract(plugin SOURCES plugin/contract_plugin.c plugin/exports.c)
sluice_add_contract(lookup SOURCES lookup/contract_lookup.c)
sluice_add_contract(access SOURCES access/contract_access.c)
sluice_add_contract(deferral SOURCES deferral/contract_deferral.c)
sluice_add_contract(transport SOURCES transport/contract_transport.c transport/fixture.c
    transport/net_host.c transport/peer.c LIBRARIES Threads::Threads)
sluice_add_contract(queue SOURCES queue/main.c queue/test_contract.c queue/test_durable.c
    queue/test_faults.c queue/test_power.c queue/test_names.c queue/test_sand.c
    queue/test_aftermath.c queue/test_walk.c queue/scenario.c queue/subject.c queue/model.c queue/scratch.c queue/faults.c queue/shadow.c
    queue/cut.c queue/image.c LIBRARIES Threads::Threads)
# The program's own pwrite() and so on must be seen by the plugin: faults.h.
set_target_properties(contract-queue PROPERTIES ENABLE_EXPORTS ON)
