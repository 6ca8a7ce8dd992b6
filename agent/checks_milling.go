package agent

import (
	"context"
	"slices"
	"time"

	"github.com/uni-aims/aimsd/agent/steer"
)

// checkMilling looks at what is milled where, and asks each controller for its state.
func checkMilling(ctx context.Context, c Config) []finding {
	var out []finding
	for _, m := range c.Milling {
		name := "milling " + m.Source
		i := slices.IndexFunc(c.Sources, func(s SourceConfig) bool { return s.Name == m.Source })
		switch {
		case i < 0 && c.GRPC.Listen == "":
			out = append(out, fault(name, "there is no source %s, and no frames can be pushed; correct the name", m.Source))
		case i < 0:
			out = append(out, note(name, "no source %s is configured; its frames can only be pushed over gRPC under that name", m.Source))
		case c.Sources[i].Policy != "latest":
			out = append(out, note(name, "policy is %s: where frames come faster than results, the advice falls behind; consider policy: latest", c.Sources[i].Policy))
		default:
			out = append(out, fine(name, "region %g, %g, %g x %g, %s, until %s reaches %g", m.ROI.Left, m.ROI.Top, m.ROI.Width, m.ROI.Height, m.ScanDirection, m.Endpoint.Metric, m.Endpoint.Threshold))
		}
		if m.Act.Controller == "" {
			continue
		}
		out = append(out, checkController(ctx, name, m.Act))
	}
	return out
}

// checkController asks a controller for its state; nothing is changed.
func checkController(ctx context.Context, name string, c ActConfig) finding {
	controller, err := steer.NewOpenFIBSEM(steer.OpenFIBSEMOptions{URL: c.URL, Timeout: c.Timeout, AllowRemote: c.AllowRemote})
	if err != nil {
		return fault(name, "controller: %v", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout+time.Second)
	defer cancel()
	state, err := controller.State(ctx)
	if err != nil {
		return fault(name, "controller at %s: %v; start its server, or correct milling.act.url", c.URL, err)
	}
	return fine(name, "controller at %s says %s; it is asked for nothing more until a run is armed", c.URL, state)
}
