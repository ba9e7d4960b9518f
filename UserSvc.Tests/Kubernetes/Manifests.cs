using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using k8s;
using k8s.Models;

namespace UserSvc.Tests.Kubernetes;

/// <summary>An object whose kind the Kubernetes client does not know.</summary>
internal sealed class CustomResource : IKubernetesObject<V1ObjectMeta>
{
    public required string ApiVersion { get; set; }
    public required string Kind { get; set; }
    public required V1ObjectMeta Metadata { get; set; }
    public required JsonObject Spec { get; set; }
}

/// <summary>The pods of a workload, as its template describes them.</summary>
internal sealed record Pods(string Owner, IDictionary<string, string> Labels, V1PodSpec Spec, params IReadOnlyList<string> Claims)
{
    public IEnumerable<V1Container> Containers => [.. Spec.InitContainers ?? [], .. Spec.Containers];

    public IEnumerable<V1ContainerPort> Ports => Containers.SelectMany(c => c.Ports ?? []);

    public bool Declare(IntOrString port) => Ports.Any(p => p.Name == port.Value || $"{p.ContainerPort}" == port.Value);
}

/// <summary>Parses what kubectl or helm prints into Kubernetes objects, slightly more strictly than an API server.</summary>
internal static partial class Manifests
{
    private static readonly JsonSerializerOptions Strict = new(JsonSerializerOptions.Strict) { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    // By apiVersion/kind, such as apps/v1/Deployment.
    private static readonly Dictionary<string, Type> Types = typeof(V1Pod).Assembly.GetTypes()
        .Select(type => (type, entity: type.GetCustomAttribute<KubernetesEntityAttribute>())).Where(t => t.entity is not null)
        .Select(t => ($"{(t.entity!.Group.Length == 0 ? "" : t.entity.Group + "/")}{t.entity.ApiVersion}/{t.entity.Kind}", t.type))
        .Concat(new[] { "gateway.networking.k8s.io/v1/Gateway", "gateway.networking.k8s.io/v1/HTTPRoute", "networking.gke.io/v1/HealthCheckPolicy", "monitoring.googleapis.com/v1/PodMonitoring" }.Select(kind => (kind, typeof(CustomResource))))
        .ToDictionary();

    /// <exception cref="JsonException">A key is unknown, or a value has the wrong type, such as an unquoted port in a ConfigMap.</exception>
    public static List<IKubernetesObject<V1ObjectMeta>> Parse(string yaml) =>
    [
        .. from document in Separator().Split(yaml)
           let json = ToJson(KubernetesYaml.Deserialize<object>(document, strict: true))
           where json is not null
           let kind = $"{json["apiVersion"]}/{json["kind"]}"
           select (IKubernetesObject<V1ObjectMeta>)json.Deserialize(Types.GetValueOrDefault(kind) ?? throw new FormatException($"{kind} is not a known kind"), Strict)!,
    ];

    public static string Id(this IKubernetesObject<V1ObjectMeta> item) => $"{item.Kind} {item.Metadata?.Name}";

    public static JsonObject Json(this IKubernetesObject<V1ObjectMeta> item) => JsonNode.Parse(KubernetesJson.Serialize(item))!.AsObject();

    public static List<Pods> Pods(this IEnumerable<IKubernetesObject<V1ObjectMeta>> objects) => [.. objects.Select(item => item switch
    {
        V1Deployment deployment => new Pods(item.Id(), deployment.Spec.Template.Metadata.Labels, deployment.Spec.Template.Spec),
        V1StatefulSet set => new Pods(item.Id(), set.Spec.Template.Metadata.Labels, set.Spec.Template.Spec, [.. set.Spec.VolumeClaimTemplates.Select(c => c.Name())]),
        _ => null,
    }).OfType<Pods>()];

    /// <summary>A label selector, or a Service's plain labels.</summary>
    public static V1LabelSelector Selector(JsonNode json) => json["matchLabels"] is null && json["matchExpressions"] is null
        ? new V1LabelSelector { MatchLabels = json.Deserialize<Dictionary<string, string>>() }
        : json.Deserialize<V1LabelSelector>(Strict)!;

    public static bool Selects(this V1LabelSelector selector, Pods pods) => (selector.MatchLabels ?? new Dictionary<string, string>()).All(pods.Labels.Contains)
        && (selector.MatchExpressions ?? []).All(e => e.OperatorProperty == "In" && pods.Labels.TryGetValue(e.Key, out var value) && e.Values.Contains(value));

    /// <summary>A container's environment variables, each with its value or the source of its value.</summary>
    public static Dictionary<string, string> Environment(this IEnumerable<IKubernetesObject<V1ObjectMeta>> objects, V1Container container)
    {
        var maps = objects.OfType<V1ConfigMap>().ToDictionary(m => m.Name(), m => m.Data ?? new Dictionary<string, string>());
        var variables = (container.EnvFrom ?? []).SelectMany(source => maps[source.ConfigMapRef.Name]).Select(v => (Name: v.Key, Value: (string?)v.Value))
            .Concat((container.Env ?? []).Select(v => (v.Name, Value: v.ValueFrom switch
            {
                null => v.Value ?? "",
                { SecretKeyRef: { } secret } => $"Secret {secret.Name}/{secret.Key}",
                { ConfigMapKeyRef: { } map } => maps[map.Name].TryGetValue(map.Key, out var value) ? value : null,
                var source => $"field {source.FieldRef.FieldPath}",
            })));
        return variables.Where(v => v.Value is not null).GroupBy(v => v.Name, v => v.Value!).ToDictionary(v => v.Key, v => v.Last());
    }

    private static JsonNode? ToJson(object? yaml) => yaml switch
    {
        IDictionary<object, object?> map => new JsonObject(map.Select(p => KeyValuePair.Create($"{p.Key}", ToJson(p.Value)))),
        IEnumerable<object?> list => new JsonArray([.. list.Select(ToJson)]),
        _ => JsonSerializer.SerializeToNode(yaml),
    };

    [GeneratedRegex(@"^---(?:[ \t].*)?$", RegexOptions.Multiline)]
    private static partial Regex Separator();
}
