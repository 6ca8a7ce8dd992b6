package models

import "google.golang.org/protobuf/encoding/protowire"

// Numbers of the fields of ONNX' messages (onnx.proto) on the way to an input's name.
const (
	modelGraph    = 7  // ModelProto.graph
	graphInput    = 11 // GraphProto.input
	valueInfoName = 1  // ValueInfoProto.name
)

// Input returns the name of an ONNX file's first input, "" where it is none.
func Input(onnx []byte) string {
	return string(field(field(field(onnx, modelGraph), graphInput), valueInfoName))
}

// field returns the first length-delimited field of a protobuf message with a number, nil where there is none.
func field(message []byte, number protowire.Number) []byte {
	for len(message) > 0 {
		n, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return nil
		}
		message = message[size:]
		if n == number && kind == protowire.BytesType {
			value, size := protowire.ConsumeBytes(message)
			if size < 0 {
				return nil
			}
			return value
		}
		if size = protowire.ConsumeFieldValue(n, kind, message); size < 0 {
			return nil
		}
		message = message[size:]
	}
	return nil
}
