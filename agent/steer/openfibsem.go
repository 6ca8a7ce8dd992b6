package steer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

const (
	// DefaultTimeout is how long one request may take.
	DefaultTimeout = 2 * time.Second
	// answerLimit bounds an answer's head and its body, in bytes.
	answerLimit = 64 << 10
)

// OpenFIBSEM drives the HTTP server of OpenFIBSEM (fibsem.server, 0.5.3): GET milling_state, POST pause_milling,
// POST stop_milling. That server has no authentication: it belongs on the loopback interface.
type OpenFIBSEM struct {
	base    *url.URL
	timeout time.Duration
	client  *http.Client
}

// OpenFIBSEMOptions say where the server is.
type OpenFIBSEMOptions struct {
	URL         string        // such as http://127.0.0.1:8001
	Timeout     time.Duration // of one request; 0: DefaultTimeout
	AllowRemote bool          // another machine than this one
}

// NewOpenFIBSEM checks the address and connects to nothing yet. Each request has a connection of its own: on a kept one
// Go's client may send a request again by itself. Redirects are not followed, proxies not used.
func NewOpenFIBSEM(o OpenFIBSEMOptions) (*OpenFIBSEM, error) {
	base, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("controller url %q: not a url: write it like http://127.0.0.1:8001", o.URL)
	}
	switch {
	case base.Scheme != "http" && base.Scheme != "https", base.Hostname() == "":
		return nil, fmt.Errorf("controller url %q: no http or https address: write it like http://127.0.0.1:8001", o.URL)
	case base.User != nil, base.RawQuery != "", base.Fragment != "":
		return nil, fmt.Errorf("controller url of %s: has a user, a query or a fragment: leave them out", base.Host)
	case o.Timeout < 0:
		return nil, fmt.Errorf("controller timeout %s: below zero: set a time such as 2s", o.Timeout)
	case !o.AllowRemote && !loopback(base.Hostname()):
		return nil, fmt.Errorf("controller url %q: another machine: use 127.0.0.1, or set allow_remote", o.URL)
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	dialer := &net.Dialer{Timeout: o.Timeout}
	if !o.AllowRemote {
		// localhost is a name too: what it stands for is looked at when it is known.
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			if host, _, err := net.SplitHostPort(address); err != nil || !loopback(host) {
				return fmt.Errorf("%s is another machine: use 127.0.0.1, or set allow_remote", address)
			}
			return nil
		}
	}
	return newOpenFIBSEM(base, o.Timeout, dialer.DialContext), nil
}

func newOpenFIBSEM(base *url.URL, timeout time.Duration, dial func(context.Context, string, string) (net.Conn, error)) *OpenFIBSEM {
	return &OpenFIBSEM{base: base, timeout: timeout, client: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: answerLimit,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dial(ctx, network, address)
				if err != nil {
					return nil, fmt.Errorf("%w: %w", ErrNotDone, err) // without a connection nothing was asked
				}
				return conn, nil
			},
		},
	}}
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// State asks for the milling state.
func (o *OpenFIBSEM) State(ctx context.Context) (State, error) {
	var body []byte
	err := o.ask(ctx, http.MethodGet, "milling_state", "", func(r io.Reader) (err error) {
		body, err = io.ReadAll(io.LimitReader(r, answerLimit+1))
		return err
	})
	if err != nil {
		return "", err
	}
	s, err := parseState(body)
	if err != nil {
		return "", fmt.Errorf("%s: %w: is this OpenFIBSEM's server", o.base.JoinPath("milling_state"), err)
	}
	return s, nil
}

// Pause asks for a pause.
func (o *OpenFIBSEM) Pause(ctx context.Context, id string) error {
	return o.ask(ctx, http.MethodPost, "pause_milling", id, nil)
}

// Stop asks for the end of milling, which cannot be resumed.
func (o *OpenFIBSEM) Stop(ctx context.Context, id string) error {
	return o.ask(ctx, http.MethodPost, "stop_milling", id, nil)
}

// ask makes one request and hands the body of a good answer to read. The answer to a command is not read: whether it was
// done is seen from the state.
func (o *OpenFIBSEM) ask(ctx context.Context, method, path, id string, read func(io.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	to := o.base.JoinPath(path).String()
	req, err := http.NewRequestWithContext(ctx, method, to, http.NoBody)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", to, ErrRefused, err)
	}
	req.Header.Set("Accept", "application/json")
	if id != "" {
		req.Header.Set("Idempotency-Key", id)
	}
	resp, err := o.client.Do(req)
	if err != nil {
		var wrapped *url.Error // says method and address again
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return fmt.Errorf("%s: no answer: %w", to, err)
	}
	defer resp.Body.Close()
	switch code := resp.StatusCode; {
	case code == http.StatusInternalServerError, code == http.StatusServiceUnavailable:
		return fmt.Errorf("%s: answered %d: %w: see the controller's log", to, code, ErrNotDone)
	case code >= 500: // a gateway's: what is behind it may have acted
		return fmt.Errorf("%s: answered %d: see the controller's log", to, code)
	case code < 200 || code >= 300:
		return fmt.Errorf("%s: answered %d: %w: check the controller's address", to, code, ErrRefused)
	}
	if read == nil {
		return nil
	}
	if err := read(resp.Body); err != nil {
		return fmt.Errorf("%s: answer broke off: %w", to, err)
	}
	return nil
}

// parseState reads {"state": "RUNNING"}, where other keys may be added. The name has to be one that is known, in capitals.
func parseState(body []byte) (State, error) {
	if len(body) > answerLimit {
		return "", fmt.Errorf("the answer has more than %d bytes", answerLimit)
	}
	var fields map[string]json.RawMessage
	var s *State
	if err := json.Unmarshal(body, &fields); err != nil {
		return "", errors.New("the answer is not a json object")
	}
	if err := json.Unmarshal(fields["state"], &s); err != nil || s == nil {
		return "", errors.New("the answer has no state")
	}
	if !s.known() {
		return "", fmt.Errorf("the state %.20q is unknown", *s)
	}
	return *s, nil
}
