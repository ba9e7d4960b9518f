using k8s.Models;

namespace UserSvc.Tests.Kubernetes;

public sealed class ManifestsTests
{
    private const string Sound = """
        # what a generator writes first
        ---
        apiVersion: v1
        kind: ServiceAccount
        metadata: {name: edge}
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: edge}
        spec:
          selector: {matchLabels: {app: edge}}
          template:
            metadata: {labels: {app: edge}}
            spec:
              securityContext: {runAsNonRoot: true, runAsUser: 1654, seccompProfile: {type: RuntimeDefault}}
              volumes: [{name: tmp, emptyDir: {sizeLimit: 64Mi}}]
              serviceAccountName: edge
              containers:
              - name: edge
                image: edge
                ports: [{name: http, containerPort: 8080}]
                readinessProbe: {httpGet: {path: /ready, port: http}}
                volumeMounts: [{name: tmp, mountPath: /tmp}]
                securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
        --- # a line of its own
        apiVersion: v1
        kind: Service
        metadata: {name: edge}
        spec:
          selector: {app: edge}
          ports: [{port: 80, targetPort: http}]
        ---
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: default-deny}
        spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
        ---
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: edge}
        spec:
          podSelector: {matchLabels: {app: edge}}
          policyTypes: [Ingress]
          ingress: [{ports: [{port: 8080}]}]
        ---
        """;

    [Fact]
    public void Documents_OfSeveralKinds_AreReadAsTheirTypes()
    {
        var objects = Manifests.Parse(Sound);

        Assert.Equal(["ServiceAccount edge", "Deployment edge", "Service edge", "NetworkPolicy default-deny", "NetworkPolicy edge"], objects.Select(o => o.Id()));
        Assert.Equal("64Mi", Assert.IsType<V1Deployment>(objects[1]).Spec.Template.Spec.Volumes[0].EmptyDir.SizeLimit.ToString());
    }

    [Theory]
    [InlineData("kind: Deployment", "kind: Deploiment", "apps/v1/Deploiment is no known kind")]
    [InlineData("readinessProbe", "readynessProbe", "The JSON property 'readynessProbe' could not be mapped")]
    [InlineData("containerPort: 8080", "containerPort: http", "The JSON value could not be converted to System.Int32")]
    [InlineData("labels: {app: edge}", "labels: {app: 8}", "The JSON value could not be converted to System.String")]
    [InlineData("labels: {app: edge}", "labels: {app: edge, app: edge}", "Encountered duplicate key app")]
    public void Document_WithAMistake_IsRefusedWithTheReason(string right, string wrong, string reason)
    {
        var failure = Record.Exception(() => Manifests.Parse(Sound.Replace(right, wrong, StringComparison.Ordinal)));

        Assert.StartsWith(reason, failure?.Message ?? "");
    }

    [Fact]
    public void System_Sound_HasNoProblem()
    {
        var objects = Manifests.Parse(Sound);

        Assert.Equal([], [.. Wiring.Problems(objects), .. Policies.Problems(objects), .. objects.Pods().SelectMany(p => PodSecurity.RestrictedViolations(p.Spec))]);
    }

    [Theory]
    [InlineData("selector: {matchLabels: {app: edge}}", "selector: {matchLabels: {app: egde}}", "Deployment edge: does not select its own pods")]
    [InlineData("selector: {app: edge}", "selector: {app: egde}", "Service edge: does not select any pods")]
    [InlineData("targetPort: http", "targetPort: 8081", "Service edge: target port 8081 is none of Deployment edge")]
    [InlineData("port: http}}", "port: health}}", "Deployment edge: probes port health, which it has not")]
    [InlineData("name: tmp, emptyDir", "name: temp, emptyDir", "Deployment edge: no volume tmp")]
    [InlineData("serviceAccountName: edge", "serviceAccountName: egde", "Deployment edge: no ServiceAccount egde")]
    [InlineData("kind: Service\n", "kind: ServiceAccount\nmetadata: {name: edge}\n---\napiVersion: v1\nkind: Service\n", "ServiceAccount edge: there twice")]
    public void Wiring_WithAMistake_IsNamed(string right, string wrong, string problem)
    {
        var objects = Manifests.Parse(Sound.Replace(right, wrong, StringComparison.Ordinal));

        Assert.Equal([problem], Wiring.Problems(objects));
    }

    [Theory]
    [InlineData("podSelector: {matchLabels: {app: edge}}", "podSelector: {matchLabels: {app: egde}}", "NetworkPolicy edge: selects no pods", "Service edge: no policy lets anybody reach port 8080 of Deployment edge")]
    [InlineData("ingress: [{ports: [{port: 8080}]}]", "ingress: [{ports: [{port: 8081}, {port: http}]}]", "NetworkPolicy edge: opens port 8081, which Deployment edge has not")]
    [InlineData("ingress: [{ports", "ingress: [{from: [{podSelector: {matchLabels: {app: client}}}], ports", "NetworkPolicy edge: a peer selects no pods")]
    [InlineData("podSelector: {}, policyTypes: [Ingress, Egress]", "podSelector: {}, policyTypes: [Ingress]", "Deployment edge: not denied by default")]
    public void Policies_WithAMistake_AreNamed(string right, string wrong, params string[] problems)
    {
        var objects = Manifests.Parse(Sound.Replace(right, wrong, StringComparison.Ordinal));

        Assert.Equal(problems, Policies.Problems(objects));
    }

    [Theory]
    [InlineData("runAsNonRoot: true", "runAsNonRoot: false", "edge: runAsNonRoot is not true")]
    [InlineData("runAsUser: 1654", "runAsUser: 0", "pod: runAsUser is 0")]
    [InlineData("type: RuntimeDefault", "type: Unconfined", "pod: seccompProfile is Unconfined", "edge: seccompProfile is neither RuntimeDefault nor Localhost")]
    [InlineData("emptyDir: {sizeLimit: 64Mi}", "hostPath: {path: /tmp}", "volume tmp: of a type that is not allowed")]
    [InlineData("allowPrivilegeEscalation: false", "privileged: true", "edge: privileged", "edge: allowPrivilegeEscalation is not false")]
    [InlineData("drop: [ALL]", "drop: [NET_RAW], add: [SYS_ADMIN]", "edge: capabilities: ALL are not dropped", "edge: capabilities: others than NET_BIND_SERVICE are added")]
    [InlineData("containerPort: 8080", "containerPort: 8080, hostPort: 8080", "edge: hostPort")]
    [InlineData("path: /ready", "path: /ready, host: 10.0.0.1", "edge: a probe or lifecycle hook has a host")]
    [InlineData("serviceAccountName: edge", "hostNetwork: true", "hostNetwork")]
    public void Pod_AgainstTheRestrictedStandard_IsFound(string right, string wrong, params string[] violations)
    {
        var pods = Manifests.Parse(Sound.Replace(right, wrong, StringComparison.Ordinal)).Pods().Single();

        Assert.Equal(violations, PodSecurity.RestrictedViolations(pods.Spec));
    }
}
