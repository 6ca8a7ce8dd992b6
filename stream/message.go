package stream

import (
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	protocodec "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

// pushMessage is a received PushRequest. The pixel bytes of a chunk stay in the buffers the connection was
// read into: an 8K frame of 16 bits would otherwise be copied twice more. free gives them back.
type pushMessage struct {
	request *aimsv1.PushRequest // nil when it is a chunk in buffers
	data    mem.BufferSlice
	skip    int // bytes before the pixels in data
}

// Field numbers of PushRequest.chunk and FrameChunk.data.
const (
	chunkField = 2
	dataField  = 1
	// maxChunkHead bounds two tags and two lengths.
	maxChunkHead = 2 * (1 + 10)
)

// parse takes a message as it came over the wire. It holds data until free.
func (m *pushMessage) parse(data mem.BufferSlice) error {
	*m = pushMessage{}
	if skip, ok := chunkHead(data); ok {
		data.Ref()
		m.data, m.skip = data, skip
		return nil
	}
	m.request = &aimsv1.PushRequest{}
	buf := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buf.Free()
	return proto.Unmarshal(buf.ReadOnlyData(), m.request)
}

// chunkHead returns where the pixels begin in a message that is one chunk and nothing else, written the way
// every encoder writes it. Others are left to the protobuf library.
func chunkHead(data mem.BufferSlice) (skip int, ok bool) {
	if len(data) == 0 {
		return 0, false
	}
	head := data[0].ReadOnlyData()
	head = head[:min(len(head), maxChunkHead)]
	rest := data.Len()
	for _, field := range []protowire.Number{chunkField, dataField} {
		number, kind, n := protowire.ConsumeTag(head[skip:])
		if n < 0 || number != field || kind != protowire.BytesType {
			return 0, false
		}
		skip += n
		length, n := protowire.ConsumeVarint(head[skip:])
		if n < 0 {
			return 0, false
		}
		skip += n
		if length != uint64(rest-skip) {
			return 0, false
		}
	}
	return skip, true
}

// header returns the header the message holds, nil when it holds none.
func (m *pushMessage) header() *aimsv1.FrameHeader { return m.request.GetHeader() }

// chunkBytes returns the number of pixel bytes; false when the message is no chunk.
func (m *pushMessage) chunkBytes() (int, bool) {
	if m.data != nil {
		return m.data.Len() - m.skip, true
	}
	chunk, ok := m.request.GetPart().(*aimsv1.PushRequest_Chunk)
	if !ok {
		return 0, false
	}
	return len(chunk.Chunk.GetData()), true
}

// pixels calls take with the pixel bytes in order, until it fails.
func (m *pushMessage) pixels(take func([]byte) error) error {
	if m.data == nil {
		return take(m.request.GetChunk().GetData())
	}
	skip := m.skip
	for _, b := range m.data {
		part := b.ReadOnlyData()
		if skip >= len(part) {
			skip -= len(part)
			continue
		}
		if err := take(part[skip:]); err != nil {
			return err
		}
		skip = 0
	}
	return nil
}

func (m *pushMessage) free() {
	m.data.Free()
	*m = pushMessage{}
}

// pushCodec is gRPC's protobuf codec, which besides leaves pixels where they are.
type pushCodec struct{ encoding.CodecV2 }

var _ encoding.CodecV2 = pushCodec{}

func newPushCodec() pushCodec { return pushCodec{encoding.GetCodecV2(protocodec.Name)} }

// Unmarshal implements encoding.CodecV2.
func (c pushCodec) Unmarshal(data mem.BufferSlice, v any) error {
	if m, ok := v.(*pushMessage); ok {
		if err := m.parse(data); err != nil {
			return fmt.Errorf("message: %w", err)
		}
		return nil
	}
	return c.CodecV2.Unmarshal(data, v)
}

// pushServerStream marks the streams of a server that has pushCodec.
type pushServerStream struct{ grpc.ServerStream }

// receiveFunc returns what reads the next message of a stream: without copying where the server's codec can.
func receiveFunc(stream grpc.BidiStreamingServer[aimsv1.PushRequest, aimsv1.FrameAck]) func(*pushMessage) error {
	if generic, ok := stream.(*grpc.GenericServerStream[aimsv1.PushRequest, aimsv1.FrameAck]); ok {
		if own, ok := generic.ServerStream.(pushServerStream); ok {
			return func(m *pushMessage) error { return own.RecvMsg(m) }
		}
	}
	return func(m *pushMessage) (err error) {
		*m = pushMessage{}
		m.request, err = stream.Recv()
		return err
	}
}
