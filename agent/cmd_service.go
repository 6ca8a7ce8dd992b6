package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/uni-aims/aimsd/infer"
)

// serviceSpec is a service to install.
type serviceSpec struct {
	Name         string
	Exe          string // absolute, links resolved
	ConfigPath   string // absolute
	Config       Config
	User         string // "": the default of the system
	PasswordFile string // of a Windows user's account
	Library      string // ONNX Runtime's, when the environment names it
	Start        bool   // now, not only when the machine starts
}

// serviceManager is what the operating system starts services with.
type serviceManager interface {
	// Render is what would be installed, for people to read.
	Render(s serviceSpec) (string, error)
	Install(ctx context.Context, s serviceSpec) error
	Uninstall(ctx context.Context, name string) error
	Start(ctx context.Context, name string) error
	Stop(ctx context.Context, name string) error
	Reload(ctx context.Context, name string) error
	// Status is one line for people; running says whether the service works.
	Status(ctx context.Context, name string) (line string, running bool, err error)
}

// defaultService is the service's name where none is given.
const defaultService = "aimsd"

// serviceFlag tells `aimsd run` that Windows' service control manager started it.
const serviceFlag = "service"

var serviceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

func newServiceCommand() *cobra.Command {
	name := defaultService
	c := &cobra.Command{
		Use:   "service COMMAND",
		Short: "Install and control the daemon as a service of systemd or Windows",
		Long: `Install the daemon as a service that starts with the machine, is restarted when it fails or
hangs, drains when it is stopped and leaves the processor to the instrument's own programs.
On Linux this is a systemd unit, on Windows a service of the service control manager.`,
		Example: `  aimsd service install -c /etc/aimsd/aimsd.yaml
  aimsd service status
  aimsd service reload`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("service: unknown command %q; see %s --help", args[0], c.CommandPath())
			}
			return c.Help()
		},
	}
	c.PersistentFlags().StringVar(&name, "name", name, "name of the service, where there are several")
	act := func(use, short string, do func(context.Context, serviceManager, io.Writer) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: serviceArgs, RunE: func(c *cobra.Command, _ []string) error {
			if !serviceName.MatchString(name) {
				return usagef("service: name %q: use letters, digits, '_' and '-'", name)
			}
			return do(c.Context(), newServiceManager(c.OutOrStdout()), c.OutOrStdout())
		}}
	}
	c.AddCommand(
		newInstallCommand(&name),
		act("uninstall", "Stop the service and remove it; data and configuration stay",
			func(ctx context.Context, m serviceManager, _ io.Writer) error { return m.Uninstall(ctx, name) }),
		act("start", "Start the service",
			func(ctx context.Context, m serviceManager, _ io.Writer) error { return m.Start(ctx, name) }),
		act("stop", "Stop the service; frames it has taken are finished first",
			func(ctx context.Context, m serviceManager, _ io.Writer) error { return m.Stop(ctx, name) }),
		act("reload", "Have the service take up its changed configuration",
			func(ctx context.Context, m serviceManager, _ io.Writer) error { return m.Reload(ctx, name) }),
		act("status", "Say whether the service runs; exit status 1 when it does not",
			func(ctx context.Context, m serviceManager, out io.Writer) error {
				line, running, err := m.Status(ctx, name)
				if err != nil {
					return err
				}
				fmt.Fprintln(out, line)
				if !running {
					return failedError{fmt.Sprintf("service: %s does not run", name)}
				}
				return nil
			}),
	)
	return c
}

func newInstallCommand(name *string) *cobra.Command {
	s := serviceSpec{}
	var onlyPrint, later bool
	c := &cobra.Command{
		Use:   "install -c FILE",
		Short: "Install the service, and start it",
		Args:  serviceArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if !serviceName.MatchString(*name) {
				return usagef("service: name %q: use letters, digits, '_' and '-'", *name)
			}
			s.Name, s.Start = *name, !later
			if s.Config, err = loadConfig(s.ConfigPath); err != nil {
				return err
			}
			if s.ConfigPath, err = filepath.Abs(s.ConfigPath); err != nil {
				return fmt.Errorf("service: %w", err)
			}
			if s.Exe, err = ownPath(); err != nil {
				return err
			}
			if s.Library, err = libraryFromEnvironment(); err != nil {
				return err
			}
			m := newServiceManager(c.OutOrStdout())
			if onlyPrint {
				text, err := m.Render(s)
				fmt.Fprint(c.OutOrStdout(), text)
				return err
			}
			return m.Install(c.Context(), s)
		},
	}
	c.Flags().StringVarP(&s.ConfigPath, "config", "c", "", "configuration file")
	c.Flags().StringVar(&s.User, "user", "", "who the service runs as; the default is a user of its own without rights")
	c.Flags().StringVar(&s.PasswordFile, "password-file", "", "password of that user (Windows)")
	c.Flags().BoolVar(&onlyPrint, "print", false, "only print what would be installed")
	c.Flags().BoolVar(&later, "no-start", false, "do not start it now")
	return c
}

// serviceArgs takes flags only; the messages of the commands below "service" name it.
func serviceArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("service %s: unexpected argument %q; see %s --help", c.Name(), args[0], c.CommandPath())
	}
	return nil
}

// ownPath is where this program lies.
func ownPath() (string, error) {
	exe, err := os.Executable()
	if err == nil {
		exe, err = filepath.EvalSymlinks(exe)
	}
	if err != nil {
		return "", fmt.Errorf("service: where this program lies is unknown: %w", err)
	}
	return exe, nil
}

// errNoService says that a service is not installed.
var errNoService = errors.New("is not installed; install it with: aimsd service install -c FILE")

// libraryFromEnvironment is the library that AIMSD_ORT_LIB names, which a service would not know of.
func libraryFromEnvironment() (string, error) {
	path := os.Getenv(infer.LibraryEnv)
	if path == "" {
		return "", nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("service: %w", err)
	}
	return path, nil
}
