package agent

import (
	"errors"

	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/decode"
)

// Causes of frames that were not processed, by which they are counted; reporting.CauseBacklog is another.
const (
	causeVanished    = "vanished"    // overwritten or removed before its turn
	causeIncomplete  = "incomplete"  // given up: never complete, or never readable
	causeUnreadable  = "unreadable"  // no image, damaged, or of a kind that is not read
	causeUnsuitable  = "unsuitable"  // too small or too large
	causeQuarantined = "quarantined" // the program crashed or panicked on it
	causeAnalysis    = "analysis"    // the analysis failed
	causeSuperseded  = "superseded"  // a newer frame came first
)

// cause is the word for why a job is rejected with an error; "" for a processed one.
func cause(j job, err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, stream.ErrVanished):
		return causeVanished
	case errors.Is(err, stream.ErrGivenUp):
		return causeIncomplete
	case errors.Is(err, errQuarantined):
		return causeQuarantined
	case errors.Is(err, decode.ErrTooSmall), errors.Is(err, decode.ErrTooLarge):
		return causeUnsuitable
	case j.frame == nil:
		return causeUnreadable
	case j.analysis == nil:
		return causeAnalysis
	}
	return reporting.CauseOther
}
