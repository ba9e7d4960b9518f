using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace UserSvc.AppHost.Kubernetes;

/// <summary>
/// Completes the chart that Aspire has published: adds the files in <c>Files/</c>, and includes named templates from
/// <c>Files/templates/_helpers.tpl</c> where the operator's values are whole blocks of YAML, which Aspire's types cannot hold.
/// </summary>
internal static partial class ChartCompletion
{
    /// <summary>
    /// Where each named template is included: in these objects (kind/name), at the end of the mapping at this path. It reads the values of the object's
    /// component, or of the component after the hyphen.
    /// </summary>
    private static readonly (string Objects, string Path, string Template)[] Places =
    [
        ("Deployment/.*", "spec", "replicas"),
        ("Deployment/.*|StatefulSet/.*", "spec/template/metadata/labels", "podLabels"),
        ("Deployment/.*|StatefulSet/.*", "spec/template/metadata/annotations", "podAnnotations"),
        ("Deployment/.*|StatefulSet/.*", "spec/template/spec", "scheduling"),
        ("Pod/.*", "spec", "scheduling"),
        ("Deployment/.*|StatefulSet/.*", "spec/template/spec/containers/0", "resources"),
        ("Deployment/usersvc", "spec/template/spec/initContainers/0", "resources-sidecar"),
        ("ServiceAccount/edge|ServiceAccount/usersvc", "metadata", "serviceAccountAnnotations"),
        ("Service/edge", "metadata", "serviceAnnotations"),
        ("Service/edge", "spec", "serviceOptions"),
        ("ConfigMap/.*-settings", "", "settings"),
        ("NetworkPolicy/edge", "spec/egress/1", "apiServer"),
    ];

    /// <summary>Kinds that are rendered only under a condition. {0} is the component, {1} the object's name.</summary>
    private static readonly Dictionary<string, string> Conditions = new()
    {
        ["Secret"] = "if not (or .Values.{0}.existingSecret (lookup \"v1\" \"Secret\" .Release.Namespace \"{1}\"))",
        ["PodMonitoring"] = "if .Capabilities.APIVersions.Has \"monitoring.googleapis.com/v1/PodMonitoring\"",
        ["HealthCheckPolicy"] = "if .Capabilities.APIVersions.Has \"networking.gke.io/v1/HealthCheckPolicy\"",
    };

    public static void Complete(string chart, ShapeOptions shape)
    {
        var settings = (YamlMappingNode)Load(Path.Combine(chart, "values.yaml"))["config"];
        foreach (var file in Directory.EnumerateFiles(Path.Combine(chart, "templates"), "*.yaml", SearchOption.AllDirectories))
        {
            var component = Path.GetFileName(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, Complete(Load(file), component, settings.Children.TryGetValue(component, out var own) ? own : new YamlMappingNode()));
        }

        var files = Path.Combine(AppContext.BaseDirectory, "Kubernetes", "Files");
        foreach (var file in Directory.EnumerateFiles(files, "*", SearchOption.AllDirectories))
        {
            var target = Path.Combine(chart, Path.GetRelativePath(files, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target, overwrite: true);
        }

        // Values that only some shapes have.
        foreach (var fragment in Directory.EnumerateFiles(chart, "values.*.yaml").Order(StringComparer.Ordinal))
        {
            if (shape.HasValues(Path.GetFileName(fragment).Split('.')[1]))
            {
                File.AppendAllText(Path.Combine(chart, "values.yaml"), "\n" + File.ReadAllText(fragment));
            }

            File.Delete(fragment);
        }
    }

    private static string Complete(YamlMappingNode root, string component, YamlNode settings)
    {
        var (kind, metadata) = (root["kind"].ToString(), (YamlMappingNode)root["metadata"]);
        // Aspire names each file after its object. With the kind in the name, objects that share a name still get separate files.
        var name = Regex.Replace(metadata["name"].ToString(), $"-{kind.ToLowerInvariant()}$", "");
        metadata.Children["name"] = name;
        var labels = (YamlMappingNode)metadata["labels"];
        labels.Add("helm.sh/chart", "{{ .Chart.Name }}-{{ .Chart.Version }}");
        labels.Add("app.kubernetes.io/managed-by", "{{ .Release.Service }}");
        labels.Add("app.kubernetes.io/version", "{{ .Values.image.tag | default .Chart.AppVersion | quote }}");
        foreach (var scalar in root.AllNodes.OfType<YamlScalarNode>().Where(scalar => scalar.Style is ScalarStyle.DoubleQuoted or ScalarStyle.Any or ScalarStyle.SingleQuoted))
        {
            // Aspire makes chart values of what the topology sets with WithEnvironment. The template holds it instead, because values are for operators.
            scalar.Value = SettingPattern().Match(scalar.Value!) is { Success: true } setting ? settings[setting.Groups[1].Value].ToString() : scalar.Value;
            scalar.Style = ExpressionPattern().IsMatch(scalar.Value!) ? ScalarStyle.ForcePlain
                : PlainPattern().IsMatch(scalar.Value!) ? ScalarStyle.Plain
                : scalar.Value!.Contains('\n') ? ScalarStyle.Literal
                : ScalarStyle.DoubleQuoted;
        }

        foreach (var place in Places.Where(place => Regex.IsMatch($"{kind}/{name}", $"^({place.Objects})$")))
        {
            if (Find(root, place.Path) is YamlMappingNode mapping)
            {
                var block = place.Template.Contains('-') ? place.Template : $"{place.Template}-{component}";
                mapping.Add(new YamlScalarNode($"helm-{block}") { Style = ScalarStyle.Plain }, new YamlScalarNode("") { Style = ScalarStyle.Plain });
            }
        }

        using var text = new StringWriter { NewLine = "\n" };
        new YamlStream(new YamlDocument(root)).Save(new Emitter(text, EmitterSettings.Default.WithIndentedSequences()), false);
        var template = PlacePattern().Replace(
            text.ToString().Replace("\n...\n", "\n"),
            place => $"{place.Groups[1]}{{{{- include \"usersvc.{place.Groups[2]}\" (list . \"{place.Groups[3]}\") | nindent {place.Groups[1].Length} }}}}");
        return Conditions.TryGetValue(kind, out var condition) ? $"{{{{- {string.Format(null, condition, component, name)} }}}}\n{template}{{{{- end }}}}\n" : template;
    }

    private static YamlNode? Find(YamlNode? node, string path) => path.Split('/', StringSplitOptions.RemoveEmptyEntries).Aggregate(node, (at, step) => at switch
    {
        YamlMappingNode mapping => mapping.Children.TryGetValue(step, out var child) ? child : null,
        YamlSequenceNode sequence => sequence.ElementAtOrDefault(int.Parse(step, null)),
        _ => null,
    });

    private static YamlMappingNode Load(string file)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(File.ReadAllText(file)));
        return (YamlMappingNode)stream.Documents.Single().RootNode;
    }

    [GeneratedRegex(@"^\{\{ \.Values\.config\.\w+\.(\w+) \}\}$")]
    private static partial Regex SettingPattern();

    [GeneratedRegex(@"^\{\{((?!\}\}).)*\}\}$")]
    private static partial Regex ExpressionPattern();

    [GeneratedRegex(@"^(?!(true|false|yes|no|on|off|null|y|n)$)[A-Za-z/-][\w./@;=-]*$", RegexOptions.IgnoreCase)]
    private static partial Regex PlainPattern();

    [GeneratedRegex("^( *)helm-(\\w+)-(\\w+): *(''|\"\")?$", RegexOptions.Multiline)]
    private static partial Regex PlacePattern();
}
