package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// storageCollector tells of the disk and of retention at every scrape. What is due is counted whether it is
// removed or not.
type storageCollector struct {
	disk      *disk
	retention *retention
}

var _ prometheus.Collector = storageCollector{}

// storageDescs are the metrics, by name without prefix.
func storageDescs() map[string]*prometheus.Desc {
	kind := []string{"kind"}
	return map[string]*prometheus.Desc{
		"free":          prometheus.NewDesc("aimsd_disk_free_bytes", "Room on the disk of data_dir.", nil, nil),
		"tier":          prometheus.NewDesc("aimsd_disk_tier", "0 fine, 1 low: no overlays, 2 full: no frames are taken, 3 read-only.", nil, nil),
		"files":         prometheus.NewDesc("aimsd_retention_files", "What is kept, by kind; a frame's files of a kind count as one.", kind, nil),
		"bytes":         prometheus.NewDesc("aimsd_retention_bytes", "Bytes that are kept, by kind.", kind, nil),
		"due_files":     prometheus.NewDesc("aimsd_retention_due_files", "What the last sweep found to be over its bounds.", kind, nil),
		"due_bytes":     prometheus.NewDesc("aimsd_retention_due_bytes", "Bytes that the last sweep found to be over their bounds.", kind, nil),
		"removed_files": prometheus.NewDesc("aimsd_retention_removed_files_total", "What was removed since the store began.", kind, nil),
		"removed_bytes": prometheus.NewDesc("aimsd_retention_removed_bytes_total", "Bytes that were removed since the store began.", kind, nil),
	}
}

// Describe implements prometheus.Collector.
func (c storageCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range storageDescs() {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c storageCollector) Collect(out chan<- prometheus.Metric) {
	descs := storageDescs()
	tell := func(name string, value prometheus.ValueType, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(descs[name], value, v, labels...)
	}
	free, t := c.disk.state()
	tell("free", prometheus.GaugeValue, float64(free))
	tell("tier", prometheus.GaugeValue, float64(t))
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	states, err := c.retention.states(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(descs["files"], fmt.Errorf("read what is kept: %w", err))
		return
	}
	for kind, s := range states {
		tell("files", prometheus.GaugeValue, float64(s.kept.files), kind)
		tell("bytes", prometheus.GaugeValue, float64(s.kept.bytes), kind)
		tell("due_files", prometheus.GaugeValue, float64(s.due.files), kind)
		tell("due_bytes", prometheus.GaugeValue, float64(s.due.bytes), kind)
		tell("removed_files", prometheus.CounterValue, float64(s.removed.files), kind)
		tell("removed_bytes", prometheus.CounterValue, float64(s.removed.bytes), kind)
	}
}
