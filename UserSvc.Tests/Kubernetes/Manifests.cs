using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using k8s;
using k8s.Models;

namespace UserSvc.Tests.Kubernetes;

/// <summary>The pods that an object makes, as it describes them.</summary>
internal sealed record Pods(string Owner, IDictionary<string, string> Labels, V1PodSpec Spec, params IReadOnlyList<string> ClaimNames)
{
    /// <summary>Those that go on running: an init container that restarts is a sidecar.</summary>
    public IEnumerable<V1Container> Containers => [.. Spec.InitContainers?.Where(c => c.RestartPolicy == "Always") ?? [], .. Spec.Containers];

    public IEnumerable<V1Container> AllContainers => [.. Spec.InitContainers ?? [], .. Spec.Containers];

    public IEnumerable<V1ContainerPort> Ports => Containers.SelectMany(c => c.Ports ?? []);

    public bool Declare(IntOrString port, string protocol = "TCP") => Ports.Any(p =>
        (p.Name == port.Value || p.ContainerPort.ToString(CultureInfo.InvariantCulture) == port.Value) && (p.Protocol ?? "TCP") == protocol);
}

/// <summary>Kubernetes objects from what kubectl or helm prints, read as strictly as an API server does and a little more.</summary>
internal static partial class Manifests
{
    private static readonly JsonSerializerOptions Strict = new(JsonSerializerOptions.Strict) { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    // apps/v1/Deployment and its like, the types of CustomResources.cs among them.
    private static readonly Dictionary<string, Type> Types = typeof(V1Pod).Assembly.GetTypes().Concat(typeof(Manifests).Assembly.GetTypes())
        .Select(type => (type, entity: type.GetCustomAttribute<KubernetesEntityAttribute>()))
        .Where(t => t.entity is not null)
        .ToDictionary(t => $"{(t.entity!.Group.Length == 0 ? "" : t.entity.Group + "/")}{t.entity.ApiVersion}/{t.entity.Kind}", t => t.type);

    /// <exception cref="FormatException">
    /// A document is of no known kind, has a key twice or one its type does not know, or a value of another type (a number where a string is
    /// meant, as an unquoted port in a ConfigMap).
    /// </exception>
    public static List<IKubernetesObject<V1ObjectMeta>> Parse(string yaml) =>
        [.. Separator().Split(yaml).Select(ParseDocument).OfType<IKubernetesObject<V1ObjectMeta>>()];

    public static string Id(this IKubernetesObject<V1ObjectMeta> item) => $"{item.Kind} {item.Metadata?.Name}";

    public static IEnumerable<Pods> Pods(this IEnumerable<IKubernetesObject<V1ObjectMeta>> objects) => objects.Select(item => item switch
    {
        V1Pod pod => new Pods(item.Id(), pod.Metadata.Labels ?? new Dictionary<string, string>(), pod.Spec),
        V1Deployment deployment => From(item, deployment.Spec.Template),
        V1StatefulSet set => From(item, set.Spec.Template, [.. set.Spec.VolumeClaimTemplates?.Select(c => c.Metadata.Name) ?? []]),
        V1DaemonSet set => From(item, set.Spec.Template),
        V1ReplicaSet set => From(item, set.Spec.Template),
        V1Job job => From(item, job.Spec.Template),
        V1CronJob job => From(item, job.Spec.JobTemplate.Spec.Template),
        _ => null,
    }).OfType<Pods>();

    private static Pods From(IKubernetesObject<V1ObjectMeta> owner, V1PodTemplateSpec template, params IReadOnlyList<string> claims) =>
        new(owner.Id(), template.Metadata?.Labels ?? new Dictionary<string, string>(), template.Spec, claims);

    private static IKubernetesObject<V1ObjectMeta>? ParseDocument(string document)
    {
        try
        {
            if (ToJson(KubernetesYaml.Deserialize<object>(document, strict: true)) is not JsonObject json)
            {
                return null;
            }

            var kind = $"{json["apiVersion"]}/{json["kind"]}";
            return Types.TryGetValue(kind, out var type)
                ? (IKubernetesObject<V1ObjectMeta>?)json.Deserialize(type, Strict)
                : throw new FormatException($"{kind} is no known kind");
        }
        catch (Exception failure) when (failure is JsonException or YamlDotNet.Core.YamlException or FormatException)
        {
            throw new FormatException($"{failure.Message}, in:\n{document}", failure);
        }
    }

    private static JsonNode? ToJson(object? yaml) => yaml switch
    {
        null => null,
        IDictionary<object, object?> map => new JsonObject(map.Select(p => KeyValuePair.Create(Convert.ToString(p.Key, CultureInfo.InvariantCulture)!, ToJson(p.Value)))),
        IEnumerable<object?> list => new JsonArray([.. list.Select(ToJson)]),
        _ => JsonSerializer.SerializeToNode(yaml),
    };

    [GeneratedRegex(@"^---(?:[ \t].*)?$", RegexOptions.Multiline)]
    private static partial Regex Separator();
}
