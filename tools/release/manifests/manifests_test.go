package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

const (
	root       = "../../.."
	kubernetes = root + "/deploy/kubernetes/"
)

// objects are what a file says, each as the API has it.
func objects(t *testing.T, file string) (all []any) {
	t.Helper()
	text, err := os.ReadFile(kubernetes + file)
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range bytes.Split(text, []byte("\n---\n")) {
		var kind meta.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			t.Fatal(err)
		}
		object := map[string]any{
			"v1 ServiceAccount":                       new(core.ServiceAccount),
			"v1 ConfigMap":                            new(core.ConfigMap),
			"v1 Service":                              new(core.Service),
			"apps/v1 Deployment":                      new(apps.Deployment),
			"policy/v1 PodDisruptionBudget":           new(policy.PodDisruptionBudget),
			"networking.k8s.io/v1 NetworkPolicy":      new(networking.NetworkPolicy),
			"monitoring.coreos.com/v1 ServiceMonitor": new(monitoring.ServiceMonitor),
		}[kind.APIVersion+" "+kind.Kind]
		if object == nil {
			t.Fatalf("%s: %v is not known", file, kind)
		}
		if err := yaml.UnmarshalStrict(document, object); err != nil {
			t.Fatalf("%s: %s: %v", file, kind.Kind, err)
		}
		all = append(all, object)
	}
	return all
}

// of are the objects of a type.
func of[T any](all []any) (some []T) {
	for _, o := range all {
		if x, ok := o.(T); ok {
			some = append(some, x)
		}
	}
	return some
}

// deployment is the only one.
func deployment(t *testing.T, all []any) *apps.Deployment {
	t.Helper()
	found := of[*apps.Deployment](all)
	if len(found) != 1 {
		t.Fatalf("%d deployments", len(found))
	}
	return found[0]
}

// settings is the part of a configuration that the files around it have to know.
type settings struct {
	HTTP         string `json:"http"`
	DrainDelay   string `json:"drain-delay"`
	DrainTimeout string `json:"drain-timeout"`
	Pools        []struct {
		Name     string   `json:"name"`
		Frontend []string `json:"frontend"`
	} `json:"pools"`
}

// check has the proxy itself read a configuration, and the schema.
func check(t *testing.T, config string) (s settings) {
	t.Helper()
	if err := valid(t, schema(t), config); err != nil {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", "./cmd/streamq-proxy", "check", file)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := yaml.Unmarshal([]byte(config), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// grace is what a proxy needs from SIGTERM to its end, and 10 s.
func (s settings) grace(t *testing.T) time.Duration {
	t.Helper()
	grace := 10 * time.Second
	for _, text := range []string{s.DrainDelay, s.DrainTimeout} {
		if text == "" {
			continue
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		grace += d
	}
	return grace
}

// The probes that the manual shows are of a container, and the time to end is a pod's.
func TestProbesOfTheManual(t *testing.T) {
	text, err := os.ReadFile("../../../deploy/README.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?s)```yaml\n(# Kubernetes, .*?)(terminationGracePeriodSeconds: .*?)```").FindSubmatch(text)
	if shown == nil {
		t.Fatal("the manual shows no probes")
	}
	var container core.Container
	var pod core.PodSpec
	if err := errors.Join(yaml.UnmarshalStrict(shown[1], &container), yaml.UnmarshalStrict(shown[2], &pod)); err != nil {
		t.Fatal(err)
	}
	for _, probe := range []*core.Probe{container.LivenessProbe, container.ReadinessProbe} {
		if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Port.IntValue() != 9555 {
			t.Errorf("a probe is %v", probe)
		}
	}
}

// What is served, probed and allowed is what the configuration has.
func TestKubernetes(t *testing.T) {
	all := objects(t, "streamq-proxy.yaml")
	d := deployment(t, all)
	pod := d.Spec.Template
	container := pod.Spec.Containers[0]
	s := check(t, of[*core.ConfigMap](all)[0].Data["config.yaml"])
	if want := int64(s.grace(t).Seconds()); *pod.Spec.TerminationGracePeriodSeconds != want {
		t.Errorf("the pod has %d s to end, want %d", *pod.Spec.TerminationGracePeriodSeconds, want)
	}
	ports := map[string]int32{}
	for _, p := range container.Ports {
		ports[p.Name] = p.ContainerPort
	}
	if ports["http"] != 9555 || s.HTTP != "0.0.0.0:9555" {
		t.Errorf("http is at %s and the container's port %d", s.HTTP, ports["http"])
	}
	pool := s.Pools[0]
	if ports[pool.Name] != 5555 || pool.Frontend[0] != "tcp://0.0.0.0:5555" {
		t.Errorf("%s listens at %s and the container has %v", pool.Name, pool.Frontend, ports)
	}
	if path := container.ReadinessProbe.HTTPGet.Path; path != "/readyz?pool="+pool.Name {
		t.Errorf("readiness asks for %s", path)
	}
	c := container.SecurityContext
	if !*pod.Spec.SecurityContext.RunAsNonRoot || !*c.ReadOnlyRootFilesystem || *c.AllowPrivilegeEscalation || len(c.Capabilities.Drop) != 1 || c.Capabilities.Drop[0] != "ALL" {
		t.Error("the container may do more than it needs")
	}
}

// Everything that selects pods selects the ones that are meant, at ports that they have.
func TestSelectors(t *testing.T) {
	all := objects(t, "streamq-proxy.yaml")
	d := deployment(t, all)
	is := labels.Set(d.Spec.Template.Labels)
	selects := func(what string, s *meta.LabelSelector) {
		t.Helper()
		selector, err := meta.LabelSelectorAsSelector(s)
		if err != nil || !selector.Matches(is) {
			t.Errorf("%s does not select the proxy: %v", what, err)
		}
	}
	selects("the deployment", d.Spec.Selector)
	selects("the budget", of[*policy.PodDisruptionBudget](all)[0].Spec.Selector)
	selects("the spread", d.Spec.Template.Spec.TopologySpreadConstraints[0].LabelSelector)
	policies := of[*networking.NetworkPolicy](all)
	selects("the policy", &policies[0].Spec.PodSelector)
	selects("the workers' policy", policies[1].Spec.Ingress[0].From[0].PodSelector)

	ports := map[string]bool{}
	for _, p := range d.Spec.Template.Spec.Containers[0].Ports {
		ports[p.Name] = true
	}
	services := of[*core.Service](all)
	for _, s := range services {
		if s.Name == "orders-workers" {
			if s.Spec.ClusterIP != core.ClusterIPNone {
				t.Error("a name with one address hides the workers behind it")
			}
			continue
		}
		if !labels.SelectorFromSet(s.Spec.Selector).Matches(is) {
			t.Errorf("the service %s does not select the proxy", s.Name)
		}
		for _, p := range s.Spec.Ports {
			if !ports[p.TargetPort.String()] {
				t.Errorf("the service %s sends to %s, which the proxy does not have", s.Name, p.TargetPort.String())
			}
		}
	}
	for _, rule := range policies[0].Spec.Ingress {
		for _, p := range rule.Ports {
			if !ports[p.Port.String()] {
				t.Errorf("the policy lets in at %s, which the proxy does not have", p.Port.String())
			}
		}
	}
}

// The agent dials in where the proxy has its backend, from where it is let in, by flags that it has.
func TestAgent(t *testing.T) {
	pod := deployment(t, objects(t, "agent.yaml")).Spec.Template
	agent := pod.Spec.InitContainers[0]
	if agent.RestartPolicy == nil || *agent.RestartPolicy != core.ContainerRestartPolicyAlways {
		t.Error("the agent is no sidecar")
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", "./cmd/streamq-proxy", "agent", "--help")
	cmd.Dir = root
	help, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for i, a := range agent.Args {
		if !strings.HasPrefix(a, "--") {
			continue
		}
		said[a] = agent.Args[i+1]
		if !strings.Contains(string(help), a+" ") {
			t.Errorf("the agent has no %s", a)
		}
	}
	all := objects(t, "streamq-proxy.yaml")
	found := false
	for _, s := range of[*core.Service](all) {
		found = found || said["--proxy"] == fmt.Sprintf("tcp://%s:%d", s.Name, s.Spec.Ports[0].Port)
	}
	if !found {
		t.Errorf("no service is at %s", said["--proxy"])
	}
	from := of[*networking.NetworkPolicy](all)[0].Spec.Ingress[1].From[0].PodSelector
	if selector, err := meta.LabelSelectorAsSelector(from); err != nil || !selector.Matches(labels.Set(pod.Labels)) {
		t.Errorf("the policy does not let the agent in: %v", err)
	}
}

// The operator finds the metrics' service, and the job has the name that the alerts look at.
func TestServiceMonitor(t *testing.T) {
	m := of[*monitoring.ServiceMonitor](objects(t, "servicemonitor.yaml"))[0]
	selector, err := meta.LabelSelectorAsSelector(&m.Spec.Selector)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, s := range of[*core.Service](objects(t, "streamq-proxy.yaml")) {
		if !selector.Matches(labels.Set(s.Labels)) {
			continue
		}
		found++
		if s.Spec.Ports[0].Name != m.Spec.Endpoints[0].Port || s.Labels[m.Spec.JobLabel] != "streamq-proxy" {
			t.Errorf("%s: port %s, job %q", s.Name, s.Spec.Ports[0].Name, s.Labels[m.Spec.JobLabel])
		}
	}
	if found != 1 {
		t.Errorf("%d services are scraped, want 1", found)
	}
}

func TestCompose(t *testing.T) {
	dir, err := filepath.Abs(root + "/deploy/compose")
	if err != nil {
		t.Fatal(err)
	}
	project, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir:  dir,
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(dir, "compose.yaml")}},
	}, func(o *loader.Options) { o.SetProjectName("streamq", true) })
	if err != nil {
		t.Fatal(err)
	}
	s := check(t, project.Configs["proxy"].Content)
	proxy := project.Services["proxy"]
	if got := time.Duration(*proxy.StopGracePeriod); got != s.grace(t) {
		t.Errorf("the proxy has %v to end, want %v", got, s.grace(t))
	}
	if !proxy.ReadOnly || proxy.User != "65532:65532" || proxy.CapDrop[0] != "ALL" {
		t.Error("the container may do more than it needs")
	}
}
