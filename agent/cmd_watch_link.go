package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

// watchRetry is how long a link waits before it connects again, if nothing else is said.
const watchRetry = 2 * time.Second

// sighting is what a link brings: a feedback, or that its connection changed.
type sighting struct {
	At       time.Time
	Feedback *aimsv1.Feedback // nil: the connection changed
	Kept     bool             // the daemon had it before this connection: it is as old as its decision
	Down     error            // why there is none; nil: there is one
}

// watchLink receives feedback and connects again when the connection is lost.
type watchLink struct {
	Target  feedbackTarget
	Request *aimsv1.WatchRequest
	Now     func() time.Time
	Retry   time.Duration // before it connects again; 0: watchRetry
}

// Run receives until ctx ends. A daemon that refuses who asks ends it; one that is away does not.
func (l *watchLink) Run(ctx context.Context, out chan<- sighting) error {
	for {
		err := l.follow(ctx, out)
		if ctx.Err() != nil {
			return nil
		}
		if refused(err) {
			return failedError{fmt.Sprintf("%s; is it this daemon's address, and are --token-file, --cert and --key right?", oneLine(l.Target.said(err)))}
		}
		if !l.tell(ctx, out, sighting{Down: oneLine(l.Target.said(err))}) {
			return nil
		}
		select {
		case <-time.After(cmp.Or(l.Retry, watchRetry)):
		case <-ctx.Done():
			return nil
		}
	}
}

// refused reports whether a daemon said that it will not do as asked.
func refused(err error) bool {
	switch status.Code(err) {
	case codes.Unauthenticated, codes.PermissionDenied, codes.Unimplemented, codes.InvalidArgument:
		return true
	}
	return false
}

// follow receives from one connection until it fails.
func (l *watchLink) follow(ctx context.Context, out chan<- sighting) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	calls, conn, err := l.Target.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	feed, err := aimsv1.NewFeedbackServiceClient(conn).Watch(calls, l.Request)
	if err != nil {
		return err
	}
	if !l.tell(ctx, out, sighting{}) {
		return ctx.Err()
	}
	heard := map[string]bool{} // sources; of each, a daemon first tells its last feedback
	for {
		f, err := feed.Recv()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("the daemon at %s has ended the connection", l.Target.Address)
		}
		if err != nil {
			return err
		}
		if !l.tell(ctx, out, sighting{Feedback: f, Kept: !heard[f.GetSource()]}) {
			return ctx.Err()
		}
		heard[f.GetSource()] = true
	}
}

// tell hands on what was seen; false when nobody listens any more.
func (l *watchLink) tell(ctx context.Context, out chan<- sighting, s sighting) bool {
	s.At = l.Now()
	select {
	case out <- s:
		return true
	case <-ctx.Done():
		return false
	}
}
