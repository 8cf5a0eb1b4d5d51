# sluice_add_plugin(<place>/<name> SOURCES <file>... [LIBRARIES <library>...] [COMPONENT <name>])
#
# Builds the shared object of a Sluice plugin, plugins/<place>/<name>.so under the build folder, with
# the flags that every plugin needs: one exported symbol, no symbol left undefined, all of them bound
# when the file is opened. <place>: lookup, transport, queue or access. Installs it where sluiced
# looks for it, in a component of its own if one is named. The target is plugin-<place>-<name>.

set(SLUICE_PLUGIN_MAP ${CMAKE_CURRENT_LIST_DIR}/plugin.map)

function(sluice_add_plugin PLACE_AND_NAME)
    cmake_parse_arguments(ARG "" "COMPONENT" "SOURCES;LIBRARIES" ${ARGN})
    set(component)
    if(ARG_COMPONENT)
        set(component COMPONENT ${ARG_COMPONENT})
    endif()
    get_filename_component(place ${PLACE_AND_NAME} DIRECTORY)
    get_filename_component(name ${PLACE_AND_NAME} NAME)
    set(target plugin-${place}-${name})

    add_library(${target} MODULE ${ARG_SOURCES})
    target_link_libraries(${target} PRIVATE sluice::plugin ${ARG_LIBRARIES})
    set_target_properties(${target} PROPERTIES
        PREFIX "" OUTPUT_NAME ${name} C_VISIBILITY_PRESET hidden
        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins/${place}
        LINK_DEPENDS ${SLUICE_PLUGIN_MAP})
    target_link_options(${target} PRIVATE
        -Wl,--version-script=${SLUICE_PLUGIN_MAP} -Wl,-z,now -Wl,-z,relro)
    # clang's sanitizers leave their runtime's symbols undefined in shared objects.
    if(NOT (CMAKE_C_COMPILER_ID MATCHES "Clang" AND "${CMAKE_C_FLAGS}${SLUICE_SANITIZE}" MATCHES "address|thread"))
        target_link_options(${target} PRIVATE -Wl,-z,defs)
    endif()
    install(TARGETS ${target} LIBRARY DESTINATION ${SLUICE_PLUGIN_DESTINATION}/${place}
        ${component})
    set_property(GLOBAL APPEND PROPERTY SLUICE_PLUGINS ${PLACE_AND_NAME})
endfunction()
