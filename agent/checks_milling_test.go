package agent

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/metrics/milling"
	"github.com/uni-aims/aimsd/stream/simulate"
)

func TestCheckAsksTheController(t *testing.T) {
	control := &simulate.Control{Scene: &simulate.Milling{Width: 256, Height: 256, Seed: 1}}
	server := httptest.NewServer(control)
	defer server.Close()
	m := defaultMilling()
	m.Source, m.ROI = "fib", milling.Rectangle{Left: 0.2, Top: 0.2, Width: 0.4, Height: 0.4}
	m.Act.Controller, m.Act.URL, m.Act.Timeout = controllerOpenFIBSEM, server.URL, 5*time.Second
	s := defaultSource()
	s.Name, s.Path, s.Policy = "fib", "/frames", "latest"
	c := DefaultConfig()
	c.Sources, c.Milling = []SourceConfig{s}, []MillingConfig{m}
	require.NoError(t, c.validateMilling())
	found := checkMilling(t.Context(), c)
	require.Len(t, found, 2)
	require.Equal(t, "ok", found[0].status)
	require.Equal(t, "ok", found[1].status)
	require.Contains(t, found[1].text, "says RUNNING")
	require.Equal(t, simulate.Running, control.State(), "it was only asked")

	c.Sources[0].Policy = "block"
	require.Equal(t, "note", checkMilling(t.Context(), c)[0].status)
	c.Sources = nil
	require.Equal(t, "note", checkMilling(t.Context(), c)[0].status)
	c.GRPC.Listen = ""
	require.Equal(t, "FAULT", checkMilling(t.Context(), c)[0].status)

	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	c.Milling[0].Act.URL = gone.URL
	last := checkMilling(t.Context(), c)[1]
	require.Equal(t, "FAULT", last.status)
	require.Contains(t, last.text, "start its server")
}

func TestMillingIsCheckedAtTheStart(t *testing.T) {
	for want, text := range map[string]string{
		"name the source":             "milling: [{roi: {left: 0.1, top: 0.1, width: 0.5, height: 0.5}}]",
		"is there twice":              "milling: [{source: a, roi: {left: 0.1, top: 0.1, width: 0.5, height: 0.5}}, {source: a, roi: {left: 0.1, top: 0.1, width: 0.5, height: 0.5}}]",
		"milling.roi is missing":      "milling: [{source: a}]",
		"is another machine":          "milling: [{source: a, roi: {left: 0.1, top: 0.1, width: 0.5, height: 0.5}, act: {controller: openfibsem, url: \"http://10.0.0.7:8001\"}}]",
		"must be one of , openfibsem": "milling: [{source: a, roi: {left: 0.1, top: 0.1, width: 0.5, height: 0.5}, act: {controller: autoscript}}]",
		"unknown key \"treshold\"":    "milling: [{source: a, roi: {left: 0.1, top: 0.1, width: 0.5, height: 0.5}, endpoint: {treshold: 1}}]",
		"2 needs a unit":              "milling: [{source: a, roi: {left: 0.1, top: 0.1, width: 0.5, height: 0.5}, valid_for: 2}]",
	} {
		_, err := ParseConfig([]byte(minimal+text+"\n"), nil)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "\n")
	}
}
