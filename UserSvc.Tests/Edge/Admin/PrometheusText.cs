using System.Globalization;
using System.Text.RegularExpressions;

namespace UserSvc.Tests.Edge.Admin;

/// <summary>Parses the text exposition format 0.0.4, strictly by its grammar.</summary>
internal sealed partial class PrometheusText
{
    public Dictionary<string, string> Types { get; } = [];

    /// <summary>By name and labels in their order, such as <c>up{job="a"}</c>.</summary>
    public Dictionary<string, double> Samples { get; } = [];

    public Dictionary<string, Dictionary<string, string>> Labels { get; } = [];

    public static PrometheusText Parse(string text)
    {
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        var parsed = new PrometheusText();
        var family = "";
        foreach (var line in text.TrimEnd('\n').Split('\n'))
        {
            if (Help().Match(line) is { Success: true } help)
            {
                Assert.DoesNotContain(help.Groups[1].Value, parsed.Types.Keys);
            }
            else if (Type().Match(line) is { Success: true } type)
            {
                family = type.Groups[1].Value;
                parsed.Types.Add(family, type.Groups[2].Value);
            }
            else
            {
                parsed.AddSample(line, family);
            }
        }

        return parsed;
    }

    private void AddSample(string line, string family)
    {
        var sample = Sample().Match(line);
        Assert.True(sample.Success, $"no sample: {line}");
        var name = sample.Groups["name"].Value;
        // All samples of a family follow its type.
        Assert.Contains(name, Types[family] == "histogram" ? [$"{family}_bucket", $"{family}_sum", $"{family}_count"] : new[] { family });
        var labels = Label().Matches(sample.Groups["labels"].Value).ToDictionary(l => l.Groups[1].Value, l => Unescape(l.Groups[2].Value));
        var value = double.Parse(sample.Groups["value"].Value, CultureInfo.InvariantCulture);
        Assert.True(Types[family] == "gauge" || value >= 0, line);
        var key = $"{name}{{{sample.Groups["labels"].Value}}}";
        Samples.Add(key, value);
        Labels.Add(key, labels);
    }

    private static string Unescape(string value) => Escape().Replace(value, e => e.Value[1] == 'n' ? "\n" : e.Value[1..]);

    [GeneratedRegex(@"^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ([^\\\n]|\\\\|\\n)*$")]
    private static partial Regex Help();

    [GeneratedRegex("^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)$")]
    private static partial Regex Type();

    [GeneratedRegex("""^(?<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?<labels>[a-zA-Z_][a-zA-Z0-9_]*="([^"\\]|\\\\|\\"|\\n)*"(,[a-zA-Z_][a-zA-Z0-9_]*="([^"\\]|\\\\|\\"|\\n)*")*)\})? (?<value>-?[0-9]+(\.[0-9]+)?(E[+-][0-9]+)?)$""")]
    private static partial Regex Sample();

    [GeneratedRegex("""([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"[,]?""")]
    private static partial Regex Label();

    [GeneratedRegex(@"\\.")]
    private static partial Regex Escape();
}
