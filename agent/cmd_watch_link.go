package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

// watchRetry is how long a link waits before it connects again, if nothing else is said.
const watchRetry = 2 * time.Second

// sighting is what a link brings: a feedback, whether it is acted on, or, without either, that the connection changed.
type sighting struct {
	At       time.Time
	Feedback *aimsv1.Feedback // nil: something else was seen
	Armed    *aimsv1.ArmState // whether a source's advice is acted on; nil: something else was seen
	Kept     bool             // the daemon had it before this connection: it is as old as its decision
	Down     error            // why there is none; nil: there is one
}

// armingEvery is how often a link asks whether a source's advice is acted on.
const armingEvery = time.Second

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
//
//	Watch ──▶ receive ─▶ out
//	            └▶ sources ─▶ askArming ─▶ out
func (l *watchLink) follow(ctx context.Context, out chan<- sighting) error {
	calls, conn, err := l.Target.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	client := aimsv1.NewFeedbackServiceClient(conn)
	g, calls := errgroup.WithContext(calls)
	feed, err := client.Watch(calls, l.Request)
	if err != nil {
		return err
	}
	sources := make(chan string)
	g.Go(func() error { return l.receive(calls, feed, sources, out) })
	g.Go(func() error { l.askArming(calls, client, sources, out); return nil })
	return g.Wait()
}

// receive hands on feedback, and tells each source once.
func (l *watchLink) receive(ctx context.Context, feed grpc.ServerStreamingClient[aimsv1.Feedback], sources chan<- string, out chan<- sighting) error {
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
		kept := !heard[f.GetSource()]
		if !l.tell(ctx, out, sighting{Feedback: f, Kept: kept}) {
			return ctx.Err()
		}
		if !kept {
			continue
		}
		heard[f.GetSource()] = true
		select {
		case sources <- f.GetSource():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// askArming asks again and again whether the advice of sources is acted on. Where nothing can act there is no answer.
func (l *watchLink) askArming(ctx context.Context, client aimsv1.FeedbackServiceClient, sources <-chan string, out chan<- sighting) {
	tick := time.NewTicker(armingEvery)
	defer tick.Stop()
	ask := func(source string) bool {
		state, err := client.Arming(ctx, &aimsv1.ArmingRequest{Source: source})
		return err == nil && l.tell(ctx, out, sighting{Armed: state})
	}
	var can []string
	for {
		select {
		case <-ctx.Done():
			return
		case source := <-sources:
			if ask(source) {
				can = append(can, source)
			}
		case <-tick.C:
			for _, source := range can {
				ask(source)
			}
		}
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
