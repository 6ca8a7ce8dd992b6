package agent

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/uni-aims/aimsd/stream"
)

// Kinds of a source.
const (
	sourceFolder = "folder"
	sourceGRPC   = "grpc"
)

// folders are the sources that are watched folders.
func (c *Config) folders() []SourceConfig { return c.sourcesOf(sourceFolder) }

// streams are the sources that clients send over gRPC.
func (c *Config) streams() []SourceConfig { return c.sourcesOf(sourceGRPC) }

func (c *Config) sourcesOf(kind string) []SourceConfig {
	return slices.DeleteFunc(slices.Clone(c.Sources), func(s SourceConfig) bool { return s.Type != kind })
}

// sameStreams reports whether two configurations have the same streams, but for what is looked up for each
// frame: they are set up once.
func sameStreams(a, b *Config) bool {
	return slices.EqualFunc(a.streams(), b.streams(), func(x, y SourceConfig) bool {
		x.Mode = y.Mode
		return reflect.DeepEqual(x, y)
	})
}

// validateStream reports the first thing wrong with a source of type grpc.
func (s *SourceConfig) validateStream() error {
	if s.Path != "" {
		return fmt.Errorf("source %s: a source of type grpc has no path; take it out, or use type folder", s.Name)
	}
	return firstError(
		oneOf("source "+s.Name+": policy", s.Policy, "block", "latest"),
		ValidMode(s.Mode),
	)
}

// validateClients reports clients that could never be told by their certificates.
func (c *Config) validateClients() error {
	for _, s := range c.Sources {
		switch {
		case len(s.Clients) == 0:
		case s.Type != sourceGRPC:
			return fmt.Errorf("source %s: clients are those of a source of type grpc; a folder has none", s.Name)
		case c.GRPC.TLS.ClientCAFile == "":
			return fmt.Errorf("source %s: clients are told apart by their certificates; set grpc.tls.client_ca_file to the authority that signs them", s.Name)
		}
	}
	if c.GRPC.TLS.ClientCAFile != "" && c.GRPC.TLS.CertFile == "" {
		return fmt.Errorf("grpc.tls.client_ca_file needs a certificate for aimsd itself; set grpc.tls.cert_file and key_file")
	}
	return nil
}

// clients says who may send the frames of which source. Nobody sends those of a folder.
func (c *Config) clients() stream.Clients {
	clients := stream.Clients{}
	for _, s := range c.Sources {
		if s.Type == sourceFolder || len(s.Clients) > 0 {
			clients[s.Name] = s.Clients
		}
	}
	return clients
}

// streamLanes are the channels of streams that keep only their newest frame waiting.
type streamLanes map[string]chan stream.Arrival

func newStreamLanes(streams []SourceConfig) streamLanes {
	lanes := streamLanes{}
	for _, s := range streams {
		if s.Policy == "latest" {
			lanes[s.Name] = make(chan stream.Arrival)
		}
	}
	return lanes
}

// outs are the lanes' entries.
func (l streamLanes) outs() map[string]chan<- stream.Arrival {
	outs := map[string]chan<- stream.Arrival{}
	for name, lane := range l {
		outs[name] = lane
	}
	return outs
}

// runStreams runs the server that frames are pushed to; nothing is sent after it returns.
//
//	push ─▶ arrivals
//	push ─▶ latest ─▶ urgent
func (d *Daemon) runStreams(ctx context.Context, arrivals chan<- stream.Arrival) error {
	var lanes sync.WaitGroup
	for _, lane := range d.lanes {
		lanes.Go(func() { latest(lane, d.urgent, d.sources.Drop) })
	}
	err := d.push.Run(ctx, arrivals)
	for _, lane := range d.lanes {
		close(lane)
	}
	lanes.Wait()
	return err
}
