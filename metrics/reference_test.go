package metrics

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
)

// update has the page be written when it is out of date: `make docs`.
var update = flag.Bool("update", false, "write the page of docs/reference")

const metricsPage = "../docs/reference/metrics.md"

// TestMetricsPage holds the reference's page of metrics to what /metrics shows.
func TestMetricsPage(t *testing.T) {
	families, err := everything(busy("orders")).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString(`# Metrics

<!-- made by ` + "`make docs`" + ` from the program: change the program -->

What ` + "`/metrics`" + ` of ` + "`--http`" + ` shows beside Go's own (` + "`go_*`" + `, ` + "`process_*`" + `). Histograms are classic and native ones at once, without exemplars.
Alerts with cause and cure are in [alerts](../operations/alerts.md), the dashboard is in [deploy](../../deploy/README.md#grafana), and an agent has [metrics of its own](agent-metrics.md).

| Metric | Type | Labels | What it is |
|---|---|---|---|
`)
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "streamq_") {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), labelsOf(f), strings.ReplaceAll(f.GetHelp(), "|", `\|`))
		}
	}
	holdPage(t, metricsPage, b.String())
}

// TestAlertsPage holds the page of alerts to the file of alerts.
func TestAlertsPage(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# Alerts

<!-- made by ` + "`make docs`" + ` from deploy/prometheus/alerts.yml: change that -->

What each alert of [alerts.yml](../../deploy/prometheus/alerts.yml) means, and what to do. [Deploy](../../deploy/README.md#prometheus) says how they are loaded, and when each fires;
to add one of your own see [monitor](monitor.md#an-alert-of-your-own). Critical: clients are not served now. Warning: they will not be, or some of them are not.
`)
	for _, a := range readAlerts(t) {
		for _, text := range []string{a.Alert, a.Annotations["description"], a.Expr} {
			if text == "" {
				t.Errorf("%s says nothing", a.Alert)
			}
		}
		text := placeholder.ReplaceAllString(a.Annotations["description"], "N")
		fmt.Fprintf(&b, "\n## %s\n\n%s. %s\n\n`%s`\n", a.Alert, a.Labels["severity"], text, strings.Join(strings.Fields(a.Expr), " "))
	}
	holdPage(t, "../docs/operations/alerts.md", b.String())
}

// placeholder is a figure in an alert's text.
var placeholder = regexp.MustCompile(`\{\{[^}]*\}\}`)

func holdPage(t *testing.T, page, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, string(readFile(t, page))); diff != "" {
		t.Errorf("%s is out of date, `make docs` writes it (-program +page)\n%s", page, diff)
	}
}

// labelsOf are the labels of any of a family's metrics.
func labelsOf(f *dto.MetricFamily) string {
	var names []string
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if name := "`" + l.GetName() + "`"; !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return strings.Join(names, ", ")
}

// TestAlertOfYourOwn holds the rule that docs/operations/monitor.md shows to the metrics that there are, and has Prometheus
// itself read it where its tool is there.
func TestAlertOfYourOwn(t *testing.T) {
	page := readFile(t, "../docs/operations/monitor.md")
	shown := regexp.MustCompile("(?s)```yaml\n(# own.yml.*?)```").FindSubmatch(page)
	if shown == nil {
		t.Fatal("the page shows no rule")
	}
	var file struct{ Groups []struct{ Rules []alert } }
	if err := yaml.Unmarshal(shown[1], &file); err != nil || len(file.Groups) != 1 || len(file.Groups[0].Rules) != 1 {
		t.Fatalf("%v: %+v", err, file)
	}
	rule := file.Groups[0].Rules[0]
	parse(scrape(t)).check(t, query{where: rule.Alert, expr: rule.Expr})
	promtool := os.Getenv(promtoolVariable)
	if promtool == "" {
		t.Logf("%s names no promtool", promtoolVariable)
		return
	}
	name := filepath.Join(t.TempDir(), "own.yml")
	if err := os.WriteFile(name, shown[1], 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command(promtool, "check", "rules", name).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}
