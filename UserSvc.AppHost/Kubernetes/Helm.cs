using System.Linq.Expressions;
using System.Text.Json;

namespace UserSvc.AppHost.Kubernetes;

/// <summary>
/// Helm's template language in the strings and numbers of typed objects. What a string cannot say, a mark says, which <see cref="ChartFiles"/>
/// acts on: that a part of an object, or all of it, is only there under a condition.
/// </summary>
internal static class Helm
{
    /// <summary>An empty string, which Aspire would leave out.</summary>
    public const string Empty = "{{ `` }}";

    internal const int FirstNumber = 1000000;

    internal const char Outer = '^';

    internal const string MarkStart = " {{/* ";

    internal const string MarkEnd = " */}}";

    private static readonly List<(string Text, string? Action)> Numbers = [];

    /// <summary><c>{{ .Values.usersvc.replicas }}</c></summary>
    public static string Value<T>(Expression<Func<ChartValues, T>> value) => $"{{{{ {Path(value)} }}}}";

    /// <summary>The same as a YAML string, whatever characters it has.</summary>
    public static string Quoted<T>(Expression<Func<ChartValues, T>> value) => $"{{{{ {Path(value)} | quote }}}}";

    /// <summary>A part of a string; an installation without it fails by name.</summary>
    public static string Required(Expression<Func<ChartValues, string>> value) => $"{{{{ {Requirement(value)} }}}}";

    /// <summary>The same as a YAML string.</summary>
    public static string RequiredQuoted(Expression<Func<ChartValues, string>> value) => $"{{{{ {Requirement(value)} | quote }}}}";

    /// <summary>An expression in a place that is a number in C#.</summary>
    public static int Number(string expression, string? condition = null)
    {
        Numbers.Add(($"{{{{ {expression} }}}}", condition is null ? null : $"if {condition}"));
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
    public static string Path<T>(Expression<Func<ChartValues, T>> value) => ".Values." + MembersOf(value);

    /// <summary>The same, of a value of a group of values.</summary>
    public static string Path<TGroup, T>(Expression<Func<ChartValues, TGroup>> group, Expression<Func<TGroup, T>> value) => $"{Path(group)}.{MembersOf(value)}";

    public static string Not(string condition) => $"not {condition}";

    internal static (string Text, string? Action) NumberOf(int placeholder) => Numbers[-placeholder - FirstNumber];

    private static string Requirement(Expression<Func<ChartValues, string>> value) => $"required `{Path(value)[".Values.".Length..]} is required` {Path(value)}";

    private static string Mark(string marked, string action) => marked + MarkStart + action + MarkEnd;

    private static string MembersOf(LambdaExpression value)
    {
        var names = new Stack<string>();
        for (var member = value.Body as MemberExpression; member is not null; member = member.Expression as MemberExpression)
        {
            names.Push(JsonNamingPolicy.CamelCase.ConvertName(member.Member.Name));
        }

        return string.Join('.', names);
    }
}
