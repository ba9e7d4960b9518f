using System.Text.Json.Nodes;
using k8s;
using k8s.Models;

namespace UserSvc.Tests.Kubernetes;

/// <summary>A system as one line per value, without the differences that two ways to deploy the same system may have.</summary>
internal static class Comparison
{
    // Labels and ConfigMaps are compared by what they select and set.
    private static readonly string[] Ignored = ["labels", "annotations", "namespace", "envFrom"];

    private static readonly string[] Defaults = ["protocol: TCP", "scheme: HTTP", "type: ClusterIP"];

    public static HashSet<string> Lines(List<IKubernetesObject<V1ObjectMeta>> objects)
    {
        var pods = objects.Pods();
        foreach (var container in pods.SelectMany(p => p.Containers))
        {
            container.Env = [.. objects.Environment(container).Select(v => new V1EnvVar { Name = v.Key, Value = v.Value })];
        }

        return [.. objects.Where(o => o is not V1ConfigMap).SelectMany(o => Lines(o.Id(), o.Json(), pods))];
    }

    private static IEnumerable<string> Lines(string path, JsonNode? node, List<Pods> pods) => node switch
    {
        JsonObject selector when path.EndsWith("elector", StringComparison.Ordinal) => [$"{path}: {Selected(Manifests.Selector(selector), pods)}"],
        // With the hash of the pod template, any selector of a topology spread selects only one Deployment's pods.
        JsonObject map => map.Where(m => !Ignored.Contains(m.Key) && !Defaults.Contains($"{m.Key}: {m.Value}") && !(m.Key == "labelSelector" && map.ContainsKey("matchLabelKeys")))
            .OrderBy(m => m.Key, StringComparer.Ordinal).SelectMany(m => Lines($"{path}.{m.Key}", m.Value, pods)),
        JsonArray list when path.EndsWith(".command", StringComparison.Ordinal) => [$"{path}: {list.ToJsonString()}"],
        JsonArray list => list.SelectMany(item => item is JsonObject map && map["name"] is { } name ? Lines($"{path}[{name}]", item, pods) : [$"{path}[]{string.Join(',', Lines("", item, pods).Order())}"]),
        _ => [$"{path}: {node}"],
    };

    // The workloads whose pods it selects; the selector's own text if it selects pods of another system.
    private static string Selected(V1LabelSelector selector, List<Pods> pods) => string.Join(", ", pods.Where(selector.Selects).Select(p => p.Owner).Order().ToList() is [_, ..] own ? own
        : [.. (selector.MatchLabels ?? new Dictionary<string, string>()).Select(l => $"{l.Key}={l.Value}"), .. (selector.MatchExpressions ?? []).Select(e => $"{e.Key}={string.Join('|', e.Values.Order())}")]);
}
