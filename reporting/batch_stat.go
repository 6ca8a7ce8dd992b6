package reporting

import "github.com/uni-aims/aimsd/metrics"

// describe summarises a weighted sample as metrics does for one frame.
func describe(s sample) metrics.Stat { return metrics.Describe(s.values, s.weights) }
