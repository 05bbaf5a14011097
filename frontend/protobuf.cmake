# protobuf.cmake: target sluice_onnx_proto, the ONNX messages in C, generated while building from onnx.proto by protoc-c.
find_program(PROTOC_C protoc-c REQUIRED)
set(ONNX_PROTO_DIR ${CMAKE_BINARY_DIR}/frontend/proto)
file(MAKE_DIRECTORY ${ONNX_PROTO_DIR})
add_custom_command(
  OUTPUT ${ONNX_PROTO_DIR}/onnx.pb-c.c ${ONNX_PROTO_DIR}/onnx.pb-c.h
  COMMAND ${PROTOC_C} --proto_path=${CMAKE_SOURCE_DIR}/frontend --c_out=${ONNX_PROTO_DIR} onnx.proto
  DEPENDS ${CMAKE_SOURCE_DIR}/frontend/onnx.proto
  VERBATIM)
add_library(sluice_onnx_proto STATIC ${ONNX_PROTO_DIR}/onnx.pb-c.c)
# Generated code doesn't keep the house's warnings, hence SYSTEM and no sluice_flags.
target_include_directories(sluice_onnx_proto SYSTEM PUBLIC ${ONNX_PROTO_DIR})
target_link_libraries(sluice_onnx_proto PUBLIC PkgConfig::PROTOBUF_C)
