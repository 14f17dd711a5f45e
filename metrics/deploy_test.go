package metrics

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// What deploy has for those who run the proxy.
const (
	dashboardFile  = "../deploy/grafana/streamq-proxy.json"
	alertsFile     = "../deploy/prometheus/alerts.yml"
	alertsTestFile = "../deploy/prometheus/alerts_test.yml"
)

// promtoolVariable names the promtool that TestPromtool runs.
const promtoolVariable = "STREAMQ_PROMTOOL"

// gridWidth is the number of columns that Grafana lays panels out in.
const gridWidth = 24

type dashboard struct {
	Panels     []panel
	Templating struct {
		List []struct {
			Name, Type string
			Query      json.RawMessage // a string, or an object with one
		}
	}
	Annotations struct {
		List []target
	}
}

type panel struct {
	ID          int
	Type, Title string
	GridPos     struct{ X, Y, W, H int }
	Datasource  struct{ UID string }
	Targets     []target
}

type target struct {
	RefID, Expr, LegendFormat string
	Datasource                struct{ UID string }
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal(readFile(t, dashboardFile), &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Panels) == 0 {
		t.Fatal("no panel")
	}
	return d
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// query is PromQL, and where it was found.
type query struct{ where, expr, legend string }

// labelValues is how a variable of Grafana asks for the values of a label.
var labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

// queries are those of panels, annotations and variables.
func (d *dashboard) queries(t *testing.T) (all []query) {
	t.Helper()
	for _, p := range d.Panels {
		for _, one := range p.Targets {
			all = append(all, query{fmt.Sprintf("panel %q %s", p.Title, one.RefID), one.Expr, one.LegendFormat})
		}
	}
	for _, a := range d.Annotations.List {
		if a.Expr != "" {
			all = append(all, query{"annotation", a.Expr, ""})
		}
	}
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		var q struct{ Query string }
		if err := json.Unmarshal(v.Query, &q); err != nil {
			t.Fatalf("variable %s: %v", v.Name, err)
		}
		part := labelValues.FindStringSubmatch(q.Query)
		if part == nil {
			t.Fatalf("variable %s: %s", v.Name, q.Query)
		}
		all = append(all, query{"variable " + v.Name, fmt.Sprintf("count by (%s) (%s)", part[2], part[1]), ""})
	}
	return all
}

type alert struct {
	Alert, Expr         string
	Labels, Annotations map[string]string
}

func readAlerts(t *testing.T) (all []alert) {
	t.Helper()
	var file struct{ Groups []struct{ Rules []alert } }
	if err := yaml.Unmarshal(readFile(t, alertsFile), &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("no alert")
	}
	return all
}

// scrape is what /metrics answers.
func scrape(t *testing.T) []byte {
	t.Helper()
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(everything(busy("orders")), promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	return answer.Body.Bytes()
}

// shown are the values of each label of each series, by the series' name: that
// of a histogram has its suffix.
type shown map[string]map[string][]string

var (
	sampleLine  = regexp.MustCompile(`^(\w+)(?:\{(.*)\})? `)
	sampleLabel = regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`)
)

func parse(scrape []byte) shown {
	all := shown{}
	for line := range strings.Lines(string(scrape)) {
		part := sampleLine.FindStringSubmatch(line)
		if part == nil {
			continue // a comment
		}
		// Prometheus itself adds these to whatever it scrapes.
		labels := all[part[1]]
		if labels == nil {
			labels = map[string][]string{"job": nil, "instance": nil}
			all[part[1]] = labels
		}
		for _, l := range sampleLabel.FindAllStringSubmatch(part[2], -1) {
			labels[l[1]] = append(labels[l[1]], l[2])
		}
	}
	// Prometheus' own: whether the scrape itself has worked.
	all["up"] = map[string][]string{"job": nil, "instance": nil}
	return all
}

var (
	selector = regexp.MustCompile(`(\w+)\{([^}]*)\}`)
	matcher  = regexp.MustCompile(`(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"`)
	grouping = regexp.MustCompile(`\b(?:by|without|on|ignoring)\s*\(([^)]*)\)`)
	noName   = regexp.MustCompile(`\{[^}]*\}|\[[^\]]*\]|"[^"]*"`)
	word     = regexp.MustCompile(`\b[a-zA-Z_]\w*\b\s*\(?`)
	template = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)
	operator = []string{"and", "or", "unless", "bool", "offset"}
)

// names are the metrics that a query asks for: every word that is no function,
// no operator and no label.
func names(expr string) (all []string) {
	expr = grouping.ReplaceAllString(noName.ReplaceAllString(expr, ""), "")
	for _, w := range word.FindAllString(expr, -1) {
		w = strings.TrimSpace(w)
		if !strings.HasSuffix(w, "(") && !slices.Contains(operator, w) {
			all = append(all, w)
		}
	}
	return all
}

// check finds what a query asks for and nothing shows.
func (s shown) check(t *testing.T, q query) {
	t.Helper()
	metrics := names(q.expr)
	if len(metrics) == 0 {
		t.Errorf("%s: %s: no metric in it", q.where, q.expr)
	}
	known := map[string]bool{}
	for _, name := range metrics {
		labels, found := s[name]
		if !found {
			t.Errorf("%s: %s is not in /metrics", q.where, name)
		}
		for l := range labels {
			known[l] = true
		}
	}
	for _, one := range selector.FindAllStringSubmatch(q.expr, -1) {
		s.checkMatchers(t, q.where, one[1], one[2])
	}
	used := template.FindAllStringSubmatch(q.legend, -1)
	for _, group := range grouping.FindAllStringSubmatch(q.expr, -1) {
		for label := range strings.SplitSeq(group[1], ",") {
			used = append(used, []string{"", strings.TrimSpace(label)})
		}
	}
	for _, label := range used {
		if !known[label[1]] {
			t.Errorf("%s: no metric in it has the label %s", q.where, label[1])
		}
	}
}

func (s shown) checkMatchers(t *testing.T, where, metric, matchers string) {
	t.Helper()
	for _, m := range matcher.FindAllStringSubmatch(matchers, -1) {
		label, values := m[1], m[3]
		seen, found := s[metric][label]
		if !found {
			t.Errorf("%s: %s has no label %s", where, metric, label)
		}
		if strings.Contains(values, "$") || seen == nil {
			continue // what it is, is known when it runs
		}
		for value := range strings.SplitSeq(values, "|") {
			if !slices.Contains(seen, value) {
				t.Errorf("%s: no %s has %s=%q", where, metric, label, value)
			}
		}
	}
}

func TestDashboardShowsWhatIsThere(t *testing.T) {
	t.Parallel()
	series, d := parse(scrape(t)), readDashboard(t)
	for _, q := range d.queries(t) {
		series.check(t, q)
	}
}

func TestAlertsLookAtWhatIsThere(t *testing.T) {
	t.Parallel()
	series := parse(scrape(t))
	for _, a := range readAlerts(t) {
		series.check(t, query{where: a.Alert, expr: a.Expr})
		if a.Annotations["summary"] == "" || a.Annotations["description"] == "" || a.Labels["severity"] == "" {
			t.Errorf("%s needs a summary, a description and a severity", a.Alert)
		}
	}
}

// The manual has each alert with its severity.
func TestAlertsAreDocumented(t *testing.T) {
	t.Parallel()
	manual := string(readFile(t, "../deploy/README.md"))
	for _, a := range readAlerts(t) {
		if row := fmt.Sprintf("\n| `%s` | %s | ", a.Alert, a.Labels["severity"]); !strings.Contains(manual, row) {
			t.Errorf("%q is missing", row)
		}
	}
}

// A check that finds nothing wrong in anything would pass, too.
func TestWhatIsNotThereIsFound(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		missing int
		expr    string
	}{
		{0, `sum by (pool) (rate(streamq_dials_total{pool=~"$pool"}[5m])) > 0`},
		{0, `histogram_quantile(0.9, rate(streamq_wait_seconds_bucket[5m]))`},
		{1, `streamq_wait_seconds`},
		{2, `sum(streamq_pear) / stream_pairs{state="open"} and up`},
	} {
		series, missing := parse(scrape(t)), 0
		for _, name := range names(one.expr) {
			if _, found := series[name]; !found {
				missing++
			}
		}
		if missing != one.missing {
			t.Errorf("%s: %d names are missing, want %d", one.expr, missing, one.missing)
		}
	}
}

func TestDashboardLayout(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	ids, taken := map[int]string{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if other, twice := ids[p.ID]; twice || p.ID <= 0 {
			t.Errorf("%q has the id %d, as %q has", p.Title, p.ID, other)
		}
		ids[p.ID] = p.Title
		g := p.GridPos
		if g.X < 0 || g.Y < 0 || g.W <= 0 || g.H <= 0 || g.X+g.W > gridWidth {
			t.Errorf("%q lies outside of the grid: %+v", p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("%q lies on %q", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		checkTargets(t, &p)
	}
}

// checkTargets has every query ask the data source that the user has chosen.
func checkTargets(t *testing.T, p *panel) {
	t.Helper()
	const chosen = "${datasource}"
	refs := map[string]bool{}
	for _, one := range p.Targets {
		if refs[one.RefID] || one.RefID == "" {
			t.Errorf("%q has two queries %q", p.Title, one.RefID)
		}
		refs[one.RefID] = true
		if one.Datasource.UID != chosen || p.Datasource.UID != chosen {
			t.Errorf("%q does not ask %s", p.Title, chosen)
		}
	}
	if p.Type != "row" && len(refs) == 0 {
		t.Errorf("%q asks nothing", p.Title)
	}
}

// Every variable that a query names is declared.
func TestDashboardVariables(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	declared := map[string]bool{"__rate_interval": true, "__range": true} // Grafana's own
	for _, v := range d.Templating.List {
		declared[v.Name] = true
	}
	for _, name := range []string{"datasource", "pool"} {
		if !declared[name] {
			t.Errorf("there is no variable %s", name)
		}
	}
	for _, q := range d.queries(t) {
		for _, v := range regexp.MustCompile(`\$(\w+)`).FindAllStringSubmatch(q.expr, -1) {
			if !declared[v[1]] {
				t.Errorf("%s: $%s is not declared", q.where, v[1])
			}
		}
	}
}

// Every alert is shown to fire and shown to keep still.
func TestEveryAlertIsTested(t *testing.T) {
	t.Parallel()
	var file struct {
		Tests []struct {
			Cases []struct {
				Alertname string
				Expected  []map[string]any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	if err := yaml.Unmarshal(readFile(t, alertsTestFile), &file); err != nil {
		t.Fatal(err)
	}
	fires, still, alerts := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, one := range file.Tests {
		for _, c := range one.Cases {
			if len(c.Expected) > 0 {
				fires[c.Alertname] = true
			} else {
				still[c.Alertname] = true
			}
		}
	}
	for _, a := range readAlerts(t) {
		alerts[a.Alert] = true
	}
	if !maps.Equal(fires, alerts) || !maps.Equal(still, alerts) {
		t.Errorf("alerts %v\nfire in tests %v\nkeep still in tests %v", alerts, fires, still)
	}
}

// prometheusConfig is a file with what the manual shows of prometheus.yml, and the alerts beside it.
func prometheusConfig(t *testing.T) string {
	t.Helper()
	config := regexp.MustCompile("(?s)```yaml\n(# prometheus.yml\n.*?)```").FindSubmatch(readFile(t, "../deploy/README.md"))
	if config == nil {
		t.Fatal("the manual shows no prometheus.yml")
	}
	dir := t.TempDir()
	for name, text := range map[string][]byte{"prometheus.yml": config[1], "alerts.yml": readFile(t, alertsFile)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "prometheus.yml")
}

// Prometheus itself accepts the metrics, the alerts, their tests, and the
// dashboard's queries, which are made rules for that.
func TestPromtool(t *testing.T) {
	t.Parallel()
	promtool := os.Getenv(promtoolVariable)
	if promtool == "" {
		t.Skipf("%s names no promtool", promtoolVariable)
	}
	d := readDashboard(t)
	values := strings.NewReplacer("$__rate_interval", "5m", "$__range", "1h", "$job", ".*", "$instance", ".*", "$pool", ".*")
	var rules []map[string]string
	for i, q := range d.queries(t) {
		rules = append(rules, map[string]string{"record": fmt.Sprintf("dashboard:query:%d", i), "expr": values.Replace(q.expr)})
	}
	text, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}}) // JSON is YAML, too
	if err != nil {
		t.Fatal(err)
	}
	queries := filepath.Join(t.TempDir(), "queries.yml")
	if err := os.WriteFile(queries, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"check", "metrics"},
		{"check", "rules", "--lint=all", "--lint-fatal", alertsFile},
		{"check", "rules", "--lint=all", "--lint-fatal", queries},
		{"test", "rules", alertsTestFile},
		{"check", "config", prometheusConfig(t)},
	} {
		c := exec.Command(promtool, args...)
		c.Stdin = bytes.NewReader(scrape(t))
		if said, err := c.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, said)
		}
	}
}
