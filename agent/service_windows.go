package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
	"golang.org/x/sys/windows/svc/mgr"
)

// How the service control manager treats the service.
const (
	serviceWait        = 90 * time.Second // for a stop: draining takes 30 s at most, the run's report some more
	serviceLook        = 200 * time.Millisecond
	serviceDescription = "Particle analysis beside an electron microscope"
	failureReset       = 24 * 60 * 60 // s without a failure after which the first pause applies again
)

// scm installs services with the service control manager.
type scm struct{ out io.Writer }

var _ serviceManager = (*scm)(nil)

func newServiceManager(out io.Writer) serviceManager { return &scm{out} }

// account is who a service runs as: by default a virtual account of its own, which has no rights but those
// given to it here.
func (s *serviceSpec) account() string { return cmp.Or(s.User, `NT SERVICE\`+s.Name) }

// Render implements serviceManager.
func (m *scm) Render(s serviceSpec) (string, error) {
	return fmt.Sprintf("service    %s\nprogram    %s\narguments  run -c %s\naccount    %s\nstart      with the machine, delayed\nfailure    restart after 5 s, 30 s, then 60 s\ngrant      %s: change %s\n",
		s.Name, s.Exe, s.ConfigPath, s.account(), s.account(), s.Config.DataDir), nil
}

// with connects to the manager and opens a service.
func (m *scm) with(name string, do func(*mgr.Service) error) error {
	manager, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("service: %w; run it as administrator", err)
	}
	defer func() { _ = manager.Disconnect() }()
	service, err := manager.OpenService(name)
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return failedError{fmt.Sprintf("service: %s %v", name, errNoService)}
	}
	if err != nil {
		return fmt.Errorf("service: %s: %w; run it as administrator", name, err)
	}
	defer func() { _ = service.Close() }()
	return do(service)
}

// Install implements serviceManager.
func (m *scm) Install(ctx context.Context, s serviceSpec) error {
	manager, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("service: %w; run it as administrator", err)
	}
	defer func() { _ = manager.Disconnect() }()
	config := mgr.Config{
		DisplayName: s.Name, Description: serviceDescription,
		StartType: mgr.StartAutomatic, ErrorControl: mgr.ErrorNormal, ServiceStartName: s.account(),
	}
	if s.PasswordFile != "" {
		password, err := os.ReadFile(s.PasswordFile)
		if err != nil {
			return fmt.Errorf("service: --password-file: %w", err)
		}
		config.Password = strings.TrimSpace(string(password))
	}
	service, err := manager.CreateService(s.Name, s.Exe, config, "run", "-c", s.ConfigPath, "--"+serviceFlag)
	if errors.Is(err, windows.ERROR_SERVICE_EXISTS) {
		return fmt.Errorf("service: %s is installed already; uninstall it first, or choose another --name", s.Name)
	}
	if err != nil {
		return fmt.Errorf("service: %w", err)
	}
	defer func() { _ = service.Close() }()
	if err := m.finish(ctx, service, s); err != nil {
		return errors.Join(err, service.Delete())
	}
	_ = eventlog.InstallAsEventCreate(defaultService, eventlog.Error|eventlog.Warning|eventlog.Info) // it may be there
	fmt.Fprintf(m.out, "%s starts with the machine\n", s.Name)
	if !s.Start {
		return nil
	}
	log := cmp.Or(s.Config.Log.File, serviceLog(s.Config.DataDir))
	if err := m.start(ctx, service); err != nil {
		return fmt.Errorf("%w; see the event log, and %s", err, log)
	}
	fmt.Fprintf(m.out, "%s runs; its log is %s\n", s.Name, log)
	return nil
}

// finish has the manager start the service after the others and restart it when it fails, and lets its account
// write the data.
func (m *scm) finish(ctx context.Context, service *mgr.Service, s serviceSpec) error {
	later := mgr.Config{ // nothing else changes
		ServiceType: windows.SERVICE_NO_CHANGE, StartType: mgr.StartAutomatic, ErrorControl: mgr.ErrorNormal,
		Description: serviceDescription, DelayedAutoStart: true,
	}
	if err := m.unless(service.UpdateConfig(later), "delayed start"); err != nil {
		return fmt.Errorf("service: %w", err)
	}
	err := service.SetRecoveryActions([]mgr.RecoveryAction{
		{Type: mgr.ServiceRestart, Delay: 5 * time.Second},
		{Type: mgr.ServiceRestart, Delay: 30 * time.Second},
		{Type: mgr.ServiceRestart, Delay: time.Minute},
	}, failureReset)
	if err == nil { // also when it ends with an error rather than by a crash; by default it is not restarted then
		err = service.SetRecoveryActionsOnNonCrashFailures(true)
	}
	if err = m.unless(err, "restarts after failures"); err != nil {
		return fmt.Errorf("service: restart after failures: %w", err)
	}
	if err := os.MkdirAll(s.Config.DataDir, 0o750); err != nil {
		return fmt.Errorf("service: %w", err)
	}
	written := []string{s.Config.DataDir}
	if s.Config.Log.File != "" {
		written = append(written, filepath.Dir(s.Config.Log.File))
	}
	for _, dir := range written {
		said, err := exec.CommandContext(ctx, "icacls", dir, "/grant", s.account()+":(OI)(CI)M").CombinedOutput()
		if err != nil {
			fmt.Fprintf(m.out, "note: %s could not be given to %s (%v %s); let it write there\n", dir, s.account(), err, strings.TrimSpace(string(said)))
		}
	}
	return nil
}

// unless leaves out what a manager does not know, such as that of Wine, and says so.
func (m *scm) unless(err error, what string) error {
	if errors.Is(err, windows.ERROR_INVALID_LEVEL) {
		fmt.Fprintf(m.out, "note: this system's services have no %s\n", what)
		return nil
	}
	return err
}

// Uninstall implements serviceManager.
func (m *scm) Uninstall(ctx context.Context, name string) error {
	return m.with(name, func(service *mgr.Service) error {
		if err := m.stop(ctx, service); err != nil {
			return err
		}
		if err := service.Delete(); err != nil {
			return fmt.Errorf("service: %w", err)
		}
		fmt.Fprintf(m.out, "%s is stopped and removed; its data and configuration are left\n", name)
		return nil
	})
}

// Start implements serviceManager.
func (m *scm) Start(ctx context.Context, name string) error {
	return m.with(name, func(service *mgr.Service) error { return m.start(ctx, service) })
}

// start waits until the service runs.
func (m *scm) start(ctx context.Context, service *mgr.Service) error {
	if err := service.Start(); err != nil && !errors.Is(err, windows.ERROR_SERVICE_ALREADY_RUNNING) {
		return fmt.Errorf("service: %w", err)
	}
	return m.await(ctx, service, svc.Running)
}

// Stop implements serviceManager.
func (m *scm) Stop(ctx context.Context, name string) error {
	return m.with(name, func(service *mgr.Service) error { return m.stop(ctx, service) })
}

// stop asks and waits. A service that is just starting takes no orders yet; it is asked again.
func (m *scm) stop(ctx context.Context, service *mgr.Service) error {
	ctx, cancel := context.WithTimeout(ctx, serviceWait)
	defer cancel()
	for {
		_, err := service.Control(svc.Stop)
		switch {
		case errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE):
			return nil
		case err == nil:
			return m.await(ctx, service, svc.Stopped)
		case !errors.Is(err, windows.ERROR_SERVICE_CANNOT_ACCEPT_CTRL) && !errors.Is(err, windows.ERROR_INVALID_SERVICE_CONTROL):
			return fmt.Errorf("service: stop: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("service: stop: %w", err)
		case <-time.After(serviceLook):
		}
	}
}

// await waits until the service is in a state; one that ends instead is an error.
func (m *scm) await(ctx context.Context, service *mgr.Service, want svc.State) error {
	ctx, cancel := context.WithTimeout(ctx, serviceWait)
	defer cancel()
	for {
		status, err := service.Query()
		switch {
		case err != nil:
			return fmt.Errorf("service: %w", err)
		case status.State == want:
			return nil
		case status.State == svc.Stopped:
			return fmt.Errorf("service: it ended while it was starting (error %d)", cmp.Or(status.ServiceSpecificExitCode, status.Win32ExitCode))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("service: it has not got there within %s", serviceWait)
		case <-time.After(serviceLook):
		}
	}
}

// Reload implements serviceManager: `sc control NAME paramchange` does the same.
func (m *scm) Reload(_ context.Context, name string) error {
	return m.with(name, func(service *mgr.Service) error {
		if _, err := service.Control(svc.ParamChange); err != nil {
			return fmt.Errorf("service: reload: %w", err)
		}
		return nil
	})
}

// Status implements serviceManager.
func (m *scm) Status(_ context.Context, name string) (line string, running bool, err error) {
	err = m.with(name, func(service *mgr.Service) error {
		status, err := service.Query()
		if err != nil {
			return fmt.Errorf("service: %w", err)
		}
		state := map[svc.State]string{
			svc.Stopped: "stopped", svc.StartPending: "starting", svc.StopPending: "stopping", svc.Running: "running",
			svc.ContinuePending: "continuing", svc.PausePending: "pausing", svc.Paused: "paused",
		}[status.State]
		line = fmt.Sprintf("%s: %s", name, state)
		if status.ProcessId != 0 {
			line += fmt.Sprintf(", process %d", status.ProcessId)
		}
		if status.State == svc.Stopped && status.Win32ExitCode != 0 {
			line += fmt.Sprintf(", ended with error %d", status.Win32ExitCode)
		}
		running = status.State == svc.Running
		return nil
	})
	return line, running, err
}
