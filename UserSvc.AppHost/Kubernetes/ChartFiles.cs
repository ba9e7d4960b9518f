using System.Globalization;
using System.Text.RegularExpressions;
using YamlDotNet.Serialization;

namespace UserSvc.AppHost.Kubernetes;

/// <summary>
/// Makes Aspire's templates a chart's. Its publisher (13.6) knows no values but parameters, no conditions, and names a template's file by its
/// object alone; no upstream issue asks for that yet. What is here may go, piece by piece, as it learns them.
/// </summary>
internal static partial class ChartFiles
{
    /// <summary>The first that pauses before a container's end by itself: https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/</summary>
    private const string KubernetesVersion = "1.30.0";

    public static void Finish(string folder)
    {
        var settings = Settings(Path.Combine(folder, "values.yaml"));
        foreach (var file in Directory.EnumerateFiles(Path.Combine(folder, "templates"), "*.yaml", SearchOption.AllDirectories))
        {
            File.WriteAllText(file, Finish(File.ReadAllText(file), settings));
        }

        var chart = Path.Combine(folder, "Chart.yaml");
        File.WriteAllText(chart, KubernetesPattern().Replace(File.ReadAllText(chart), $"kubeVersion: \">= {KubernetesVersion}-0\""));
        ChartValuesFiles.Write(folder);
    }

    internal static string Finish(string template, IReadOnlyDictionary<string, string> settings)
    {
        var text = SettingPattern().Replace(template, setting => settings[setting.Groups[1].Value]);
        // Aspire names a template's file by its object: the kind in the name keeps objects of one name in files of their own.
        var kind = KindPattern().Match(text).Groups[1].Value.ToLowerInvariant();
        text = Regex.Replace(text, $"""(?m)^(  name: ".+)-{kind}"$""", "$1\"");
        text = QuotedPattern().Replace(text, scalar => scalar.Groups[1].Value + scalar.Groups[2].Value.Replace("\\\"", "\"").Replace(@"\\", @"\"));
        return WithConditions(text);
    }

    /// <summary>What the topology sets by WithEnvironment: Aspire makes each a value of the chart; here it is a fact of the template.</summary>
    private static Dictionary<string, string> Settings(string valuesFile)
    {
        var values = new DeserializerBuilder().Build().Deserialize<Dictionary<string, Dictionary<string, Dictionary<string, string>>>>(File.ReadAllText(valuesFile));
        return values["config"].SelectMany(resource => resource.Value.Select(setting => ($"{resource.Key}.{setting.Key}", setting.Value))).ToDictionary();
    }

    private static string WithConditions(string text)
    {
        var lines = text.Split('\n').ToList();
        for (var i = lines.Count - 1; i >= 0; i--)
        {
            if (TakeAction(lines, i) is { } action)
            {
                var (first, past) = Block(lines, i, action.LastIndexOf(Helm.Outer) + 1);
                var margin = new string(' ', Margin(lines[first]));
                var start = $"{margin}{{{{- {action.TrimStart(Helm.Outer)} }}}}";
                if (past < lines.Count && lines[past] == start)
                {
                    lines.RemoveAt(past);
                }
                else
                {
                    lines.Insert(past, $"{margin}{{{{- end }}}}");
                }

                lines.Insert(first, start);
                i++;
            }
        }

        return string.Join('\n', lines);
    }

    private static string? TakeAction(List<string> lines, int line)
    {
        string? action = null;
        lines[line] = NumberPattern().Replace(lines[line], number =>
        {
            (var value, action) = Helm.NumberOf(int.Parse(number.Value, CultureInfo.InvariantCulture));
            return value;
        });
        var start = lines[line].IndexOf(Helm.MarkStart, StringComparison.Ordinal);
        if (start >= 0)
        {
            var end = lines[line].IndexOf(Helm.MarkEnd, start, StringComparison.Ordinal);
            action = lines[line][(start + Helm.MarkStart.Length)..end];
            lines[line] = lines[line].Remove(start, end + Helm.MarkEnd.Length - start);
        }

        return action;
    }

    /// <summary>The lines of the list's item, of the entry or, for a line of the outermost level, of the document that the line is a part of.</summary>
    private static (int First, int Past) Block(List<string> lines, int line, int outer)
    {
        var column = Column(lines[line]);
        if (column == 0)
        {
            return (1, lines.Count - (lines[^1].Length == 0 ? 1 : 0));
        }

        var first = line;
        while (Column(lines[first]) >= column && !IsItem(lines[first], column))
        {
            first--;
        }

        var isItem = IsItem(lines[first], column);
        first = isItem ? first : line;
        if (outer > 0)
        {
            var inner = Margin(lines[first]);
            return Block(lines, lines.FindLastIndex(first, above => Column(above) < inner), outer - 1);
        }

        var past = first + 1;
        while (past < lines.Count && lines[past].Length > 0 && Column(lines[past]) >= (isItem ? column : column + 1) && !IsItem(lines[past], column))
        {
            past++;
        }

        return (first, past);
    }

    private static int Margin(string line) => line.Length - line.AsSpan().TrimStart(' ').Length;

    private static bool IsItem(string line, int column) => line.AsSpan().TrimStart().StartsWith("- ") && Column(line) == column;

    /// <summary>Where the key begins, after a list's dash.</summary>
    private static int Column(string line)
    {
        var column = 0;
        while (column < line.Length && (line[column] == ' ' || (line[column] == '-' && line.AsSpan(column).StartsWith("- "))))
        {
            column++;
        }

        return column;
    }

    [GeneratedRegex(@"\{\{ \.Values\.config\.([\w.]+) \}\}")]
    private static partial Regex SettingPattern();

    [GeneratedRegex("kubeVersion: .*")]
    private static partial Regex KubernetesPattern();

    [GeneratedRegex(@"(?m)^kind: ""(\w+)""$")]
    private static partial Regex KindPattern();

    // Helm quotes by itself: the quotes around the expression would be part of the string.
    [GeneratedRegex("""(?m)^(\s*(?:- )?(?:'[^']*'|[^\s:]+): )"(\{\{(?:[^"\\]|\\.)*\| quote \}\}(?: \{\{/\*.*\*/\}\})?)"$""")]
    private static partial Regex QuotedPattern();

    [GeneratedRegex(@"-1\d{6}\b")]
    private static partial Regex NumberPattern();
}
