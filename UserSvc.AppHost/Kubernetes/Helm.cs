using System.Linq.Expressions;
using System.Text.Json;

namespace UserSvc.AppHost.Kubernetes;

/// <summary>
/// Helm's template language in the strings and numbers of typed objects. What a string cannot say, a mark says, which <see cref="ChartFiles"/>
/// acts on: that a part of an object, or all of it, is only there under a condition.
/// </summary>
internal static class Helm
{
    internal const int FirstNumber = 1000000;

    internal const char Outer = '^';

    internal const string MarkStart = " {{/* ";

    internal const string MarkEnd = " */}}";

    private static readonly List<(string Text, string? Action)> Numbers = [];

    /// <summary>An empty string, which Aspire would leave out.</summary>
    public const string Empty = "{{ `` }}";

    /// <summary><c>{{ .Values.usersvc.replicas }}</c></summary>
    public static string Value<T>(Expression<Func<ChartValues, T>> value) => $"{{{{ {Path(value)} }}}}";

    /// <summary>The same as a YAML string, whatever characters it has.</summary>
    public static string Quoted<T>(Expression<Func<ChartValues, T>> value) => $"{{{{ {Path(value)} | quote }}}}";

    /// <summary>The same, and an installation without it fails by name.</summary>
    public static string Required(Expression<Func<ChartValues, string>> value) =>
        $"{{{{ required `{Path(value)[".Values.".Length..]} is required` {Path(value)} | quote }}}}";

    /// <summary>A value in a place that is a number in C#.</summary>
    public static int Number(Expression<Func<ChartValues, int>> value, string? action = null)
    {
        Numbers.Add((Value(value), action));
        return -FirstNumber - Numbers.Count + 1;
    }

    /// <summary>
    /// Marks a name, a value or, for a whole object, its API version: the list's item or the entry that it is in is only there if the
    /// condition is met, or, by <paramref name="outer"/>, what that is in.
    /// </summary>
    public static string If(this string marked, string condition, int outer = 0) => Mark(marked, new string(Outer, outer) + $"if {condition}");

    /// <summary>Marks an entry that stands for one of each in a map of values; <c>$name</c> and <c>$value</c> are theirs.</summary>
    public static string ForEach(this string marked, Expression<Func<ChartValues, Dictionary<string, string>>> values) => Mark(marked, $"range $name, $value := {Path(values)}");

    /// <summary><c>.Values.usersvc.replicas</c>, which is also a condition: neither false nor empty.</summary>
    public static string Path<T>(Expression<Func<ChartValues, T>> value)
    {
        var names = new Stack<string>();
        for (var member = value.Body as MemberExpression; member is not null; member = member.Expression as MemberExpression)
        {
            names.Push(JsonNamingPolicy.CamelCase.ConvertName(member.Member.Name));
        }

        return ".Values." + string.Join('.', names);
    }

    public static string Not(string condition) => $"not {condition}";

    internal static (string Text, string? Action) NumberOf(int placeholder) => Numbers[-placeholder - FirstNumber];

    private static string Mark(string marked, string action) => marked + MarkStart + action + MarkEnd;
}
