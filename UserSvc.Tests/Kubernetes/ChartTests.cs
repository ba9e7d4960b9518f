using k8s;
using k8s.Models;
using UserSvc.AppHost.Processes;

namespace UserSvc.Tests.Kubernetes;

public sealed class ChartTests
{
    private static readonly string[] MadeElsewhere = ["Secret edge-tls", "Secret usersvc-key"];

    // What a chart needs and is not given, or does not know; and what Helm says.
    private static readonly (string Values, string Error)[] Refused =
    [
        ("image.registry=registry.example,image.tag=v1,usersvc.adminKey=an-administrators-key", "postgres.password is required"),
        ("image.registry=registry.example,image.tag=v1,postgres.password=a-database-password", "usersvc.adminKey is required"),
        ("image.tag=v1,postgres.password=a-database-password,usersvc.adminKey=an-administrators-key", "image.registry is required"),
        ("image.registry=registry.example,postgres.password=a-database-password,usersvc.adminKey=an-administrators-key", "image.tag is required"),
        ("image.registry=registry.example,image.tag=v1,usersvc.adminKey=an-administrators-key,postgres.enabled=false", "database.secretName is required"),
        ("usersvc.replica=5", "additional properties 'replica' not allowed"),
        ("usersvc.replicas=many", "got string, want integer"),
        ("image.pullPolicy=Sometimes", "value must be one of 'IfNotPresent', 'Always', 'Never'"),
    ];

    public static TheoryData<string> Values => ["local", "gke", "everything", "yours"];

    [Theory]
    [MemberData(nameof(Values))]
    public void Rendered_FirstLine_IsOfTheCommittedChart(string values)
    {
        var chart = new Chart(values);

        Assert.True(chart.FirstLine == chart.Rendered.Split('\n')[0], "the chart has changed: run UserSvc.Tests/Kubernetes/Charts/render.sh, which needs Helm");
    }

    // One test, so that a machine without Helm reports one skip.
    [Fact]
    public async Task Chart_WithHelm_RendersLintsAndRejectsBadValues()
    {
        Assert.SkipWhen(Command.OnPath("helm") is null, "helm is not on PATH");
        var problems = new List<string>();

        foreach (var values in Values.Select(row => row.Data))
        {
            var chart = new Chart(values);
            var rendered = await HelmAsync("template", "usersvc", Chart.Folder, "--namespace", "usersvc", "--values", chart.ValuesFile);
            var lint = await HelmAsync("lint", Chart.Folder, "--strict", "--values", chart.ValuesFile);
            problems.AddRange(rendered.Succeeded ? Difference(chart.Rendered, rendered.Output).Select(line => $"{values}: {line}") : [$"{values}: {rendered.Error}"]);
            problems.AddRange(lint.Succeeded ? [] : [$"{values}: {lint.Output}{lint.Error}"]);
        }

        foreach (var (values, error) in Refused)
        {
            var rendered = await HelmAsync("template", "usersvc", Chart.Folder, "--set", values);
            problems.AddRange(!rendered.Succeeded && rendered.Error.Contains(error, StringComparison.Ordinal) ? [] : [$"{values}: not '{error}' but {rendered.Output}{rendered.Error}"]);
        }

        Assert.Equal([], problems);
    }

    [Theory]
    [MemberData(nameof(Values))]
    public void Objects_TheirNamesPortsPoliciesAndPods_AreSound(string values)
    {
        var objects = new Chart(values).Objects;

        Assert.Equal(
            [],
            [
                .. Wiring.Problems(objects, [.. MadeElsewhere, .. values == "everything" ? (string[])["Secret usersvc-secrets"] : []]),
                .. Policies.Problems(objects),
                .. objects.Pods().SelectMany(pods => PodSecurity.RestrictedViolations(pods.Spec).Select(violation => $"{pods.Owner}: {violation}")),
                .. objects.Where(o => o.Labels()?["app.kubernetes.io/instance"] != "usersvc").Select(o => $"{o.Id()}: another release's"),
            ]);
    }

    [Theory]
    [InlineData("local", "an-administrators-key", "a \"quoted\" password; and \\more")]
    [InlineData("gke", "an-administrators-key", "a-database-password")]
    public void Secrets_TheirValues_AreInSecretsAlone(string values, string adminKey, string password)
    {
        var objects = new Chart(values).Objects;

        Assert.Equal([], objects.Where(o => o is not V1Secret).Select(o => KubernetesJson.Serialize(o))
            .Where(json => json.Contains(adminKey, StringComparison.Ordinal) || json.Contains("password", StringComparison.Ordinal) || json.Contains("Password=", StringComparison.Ordinal)));
        var users = objects.OfType<V1Secret>().Single(s => s.Name() == "usersvc-secrets").StringData;
        Assert.Equal(
            (adminKey, password, password),
            (users["Admin__Key"], new Npgsql.NpgsqlConnectionStringBuilder(users["ConnectionStrings__users"]).Password,
                objects.OfType<V1Secret>().Single(s => s.Name() == "postgres-secrets").StringData["POSTGRES_PASSWORD"]));
    }

    [Fact]
    public void Values_WithoutAnyGiven_HoldNoSecret()
    {
        var secrets = File.ReadLines(Path.Combine(Chart.Folder, "values.yaml")).Select(line => line.Trim())
            .Where(line => line.StartsWith("adminKey:", StringComparison.Ordinal) || line.StartsWith("password:", StringComparison.Ordinal));

        Assert.Equal(["adminKey: \"\"", "password: \"\""], secrets);
    }

    [Fact]
    public void ChosenByWhoInstalls_ImagesSettingsAndAnnotations_ReachTheObjects()
    {
        var objects = new Chart("yours").Objects;

        var images = objects.Pods().SelectMany(p => p.AllContainers).Select(c => $"{c.Image} {c.ImagePullPolicy}").Order();
        Assert.Equal(
            [$"registry.example/edge@sha256:{new string('2', 64)} Always", "registry.example/postgres:18.3 Always", $"registry.example/usersvc@sha256:{new string('1', 64)} Always"],
            images);
        Assert.Equal(
            ("8192", "443", "Internal", "usersvc@project.iam.gserviceaccount.com", "premium-rwo", "usersvc-key", 5, "users"),
            (objects.OfType<V1ConfigMap>().Single(m => m.Name() == "usersvc-settings").Data["Lookup__QueueLimit"],
                objects.OfType<V1ConfigMap>().Single(m => m.Name() == "edge-settings").Data["Edge__Https__RedirectPort"],
                objects.OfType<V1Service>().Single(s => s.Name() == "edge").Metadata.Annotations["networking.gke.io/load-balancer-type"],
                objects.OfType<V1ServiceAccount>().Single(a => a.Name() == "usersvc").Metadata.Annotations["iam.gke.io/gcp-service-account"],
                objects.OfType<V1StatefulSet>().Single().Spec.VolumeClaimTemplates.Single().Spec.StorageClassName,
                objects.Pods().Single(p => p.Owner == "Deployment usersvc").Spec.Containers.Single().EnvFrom.Select(e => e.SecretRef?.Name).OfType<string>().Last(),
                objects.OfType<V1Deployment>().Single(d => d.Name() == "usersvc").Spec.Replicas,
                objects.OfType<Gateway>().Single().Metadata.Annotations["networking.gke.io/certmap"]));
    }

    /// <summary>What is on one side only. Empty but for what the two tools do differently, each with its reason.</summary>
    public static TheoryData<string, string, string[], string[], string[]> Pairs => new()
    {
        { "local", "overlays/local", [], [], [] },
        { "gke", "overlays/gke", [], [], [] },
        {
            "everything", "overlays/gke", ["sidecar", "autoscaling", "gateway", "external-database", "telemetry"],
            // The connection string is a key of a Secret of one's own there, one of usersvc-secrets here.
            [], []
        },
    };

    [Scenario]
    [Theory]
    [MemberData(nameof(Pairs))]
    public async Task Chart_BesideTheOverlay_IsTheSameSystem(string values, string overlay, string[] switches, string[] chartOnly, string[] overlayOnly)
    {
        using var kustomization = new Kustomization();

        var chart = SystemFacts.Of(new Chart(values).Objects);
        var kustomize = SystemFacts.Of(await kustomization.RenderAsync(overlay, switches));

        Assert.Equal((chartOnly, overlayOnly), (chart.Except(kustomize).Order().ToArray(), kustomize.Except(chart).Order().ToArray()));
    }

    private static Task<CommandResult> HelmAsync(params IEnumerable<string> arguments) =>
        Command.RunAsync(["helm", .. arguments], Eventually.Deadline, TestContext.Current.CancellationToken);

    private static IEnumerable<string> Difference(string expected, string actual)
    {
        string[][] objects = [.. new[] { expected, actual }.Select(yaml => Manifests.Parse(yaml).Select(o => KubernetesJson.Serialize(o)).ToArray())];
        return [.. objects[0].Except(objects[1]).Select(o => $"missing {o}"), .. objects[1].Except(objects[0]).Select(o => $"unexpected {o}")];
    }
}
