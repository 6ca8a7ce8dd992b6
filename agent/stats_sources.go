package agent

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/uni-aims/aimsd/stream"
)

// sourceCollector tells of the sources themselves at every scrape: what they saw beside the frames they brought.
type sourceCollector struct {
	folders     func() []*stream.Folder
	push        *stream.PushServer
	connections func() int // of the gRPC listener
}

var _ prometheus.Collector = sourceCollector{}

// Metrics of sources.
type sourceDescs struct {
	waiting, inFlight, scans, overflows, restarts         *prometheus.Desc
	answers, refused, broken, gaps                        *prometheus.Desc
	connections, streams, bytesInFlight, pushedNotSettled *prometheus.Desc
}

func newSourceDescs() sourceDescs {
	source, answer, reason := []string{"source"}, []string{"answer"}, []string{"reason"}
	desc := prometheus.NewDesc
	return sourceDescs{
		waiting:   desc("aimsd_folder_files_waiting", "Files seen that are not complete yet, or not in the journal.", source, nil),
		inFlight:  desc("aimsd_folder_files_in_flight", "Files in the journal that are not final.", source, nil),
		scans:     desc("aimsd_folder_scans_total", "Full scans since the source was started.", source, nil),
		overflows: desc("aimsd_folder_event_overflows_total", "Times that file events were lost and a scan made up for them.", source, nil),
		restarts:  desc("aimsd_folder_watch_restarts_total", "Times that watching failed and began anew.", source, nil),

		answers: desc("aimsd_grpc_frames_total", "Streamed frames since the start, by the first answer; accepted ones are in aimsd_frames_total.", answer, nil),
		refused: desc("aimsd_grpc_frames_refused_total", "Streamed frames refused before the journal, by reason; they may be sent again.", reason, nil),
		broken:  desc("aimsd_grpc_streams_broken_total", "Streams that broke in the middle of a frame.", nil, nil),
		gaps:    desc("aimsd_grpc_frames_missing_total", "Numbers missing in the sequence of streams.", nil, nil),

		connections:      desc("aimsd_grpc_connections", "Open gRPC connections.", nil, nil),
		streams:          desc("aimsd_grpc_streams", "Open streams of frames.", nil, nil),
		bytesInFlight:    desc("aimsd_grpc_bytes_in_flight", "Pixel memory of streamed frames received and not released.", nil, nil),
		pushedNotSettled: desc("aimsd_grpc_frames_waiting", "Streamed frames accepted and not settled.", nil, nil),
	}
}

// Describe implements prometheus.Collector. What is told depends on the sources there are: nothing is promised.
func (c sourceCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c sourceCollector) Collect(out chan<- prometheus.Metric) {
	d := newSourceDescs()
	gauge := func(desc *prometheus.Desc, v int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(v), labels...)
	}
	counter := func(desc *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(v), labels...)
	}
	for _, f := range c.folders() {
		s, name := f.Stats(), f.Name()
		gauge(d.waiting, s.Candidates, name)
		gauge(d.inFlight, s.InFlight, name)
		counter(d.scans, s.Scans, name)
		counter(d.overflows, s.Overflows, name)
		counter(d.restarts, s.WatchRestarts, name)
	}
	s := c.push.Stats()
	counter(d.answers, s.Accepted, "accepted")
	counter(d.answers, s.Duplicate, "duplicate")
	counter(d.answers, s.Busy, "busy")
	counter(d.answers, s.Rejected, "rejected")
	counter(d.refused, s.CRCMismatch, "crc")
	counter(d.refused, s.Rejected-s.CRCMismatch, "invalid")
	counter(d.broken, s.Broken)
	counter(d.gaps, s.Gaps)
	gauge(d.connections, int64(c.connections()))
	gauge(d.streams, s.Streams)
	gauge(d.bytesInFlight, s.BytesInFlight)
	gauge(d.pushedNotSettled, s.FramesWaiting)
}
