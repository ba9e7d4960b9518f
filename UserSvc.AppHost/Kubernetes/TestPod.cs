using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Kubernetes.Resources;

namespace UserSvc.AppHost.Kubernetes;

/// <summary><c>helm test</c>: creates, reads and deletes a user through the edge.</summary>
internal static class TestPod
{
    private const string Script = """
        set -eu
        url=http://edge/user/helm-test-$(date +%s)
        # Follows a redirect to https. The edge's certificate is for another name.
        ask() { curl --fail --silent --show-error --max-time 10 --location-trusted --insecure "$@"; echo; }
        ask --request PUT "$url" --header 'Content-Type: application/json' --data '{"fullname":"Helm Test","password":"correct horse battery"}'
        ask "$url" | grep '"fullname":"Helm Test"'
        ask --request DELETE "$url" --user "${url##*/}:correct horse battery"
        test "$(curl --silent --max-time 10 --location --insecure --output /dev/null --write-out '%{http_code}' "$url")" = 404
        """;

    public static void AddTo(KubernetesResource edge)
    {
        var pod = new Pod();
        // Not the system's labels, because its Services and NetworkPolicies must not select this pod.
        (pod.Metadata.Labels["app.kubernetes.io/name"], pod.Metadata.Labels["app.kubernetes.io/component"]) = ("usersvc-test", "test");
        (pod.Metadata.Annotations["helm.sh/hook"], pod.Metadata.Annotations["helm.sh/hook-delete-policy"]) = ("test", "before-hook-creation,hook-succeeded");
        pod.Spec.Restrict("default", Pods.User);
        pod.Spec.RestartPolicy = "Never";
        pod.Spec.Containers.Add(new ContainerV1 { Name = "curl", Image = "{{ .Values.test.image }}", Command = { "sh", "-c", Script.ReplaceLineEndings("\n") } }.Restrict());
        edge.Add("usersvc-test", pod);
    }
}
