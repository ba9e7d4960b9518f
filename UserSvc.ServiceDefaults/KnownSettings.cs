using System.ComponentModel;
using System.Globalization;
using System.Reflection;
using System.Security.Authentication;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace UserSvc.ServiceDefaults;

/// <summary>
/// A section of the configuration, such as <c>Edge:Discovery</c>, and the type whose properties are its settings. <see cref="Errors"/> finds
/// what is wrong beyond keys and types, one sentence for each mistake. <see cref="Unread"/> are properties that are not settings.
/// </summary>
public sealed record KnownSection(
    string Path, Type Type, Func<IConfigurationSection, IEnumerable<string>>? Errors = null, IReadOnlySet<(Type, string)>? Unread = null);

/// <summary>
/// Checks the configuration's keys and values against the types they are bound to. Binding itself ignores a misspelt key, so a
/// misspelt limit would mean no limit, and does not name the setting that has a value of the wrong type.
/// </summary>
public sealed class KnownSettings(IEnumerable<KnownSection> sections)
{
    private readonly Dictionary<string, Type> _types = sections.ToDictionary(s => s.Path, s => s.Type, StringComparer.OrdinalIgnoreCase);
    private readonly HashSet<(Type, string)> _unread = [.. sections.SelectMany(s => s.Unread ?? new HashSet<(Type, string)>())];

    /// <summary>The sections at the top of the configuration, such as <c>Kestrel</c>.</summary>
    public IReadOnlySet<string> Roots => _types.Keys.Select(path => path.Split(':')[0]).ToHashSet(StringComparer.OrdinalIgnoreCase);

    public IReadOnlyList<KnownSection> Sections { get; } = [.. sections];

    /// <exception cref="InvalidConfigurationException">A key below the known sections is not a setting, a value is of the wrong type, or Kestrel refuses a limit.</exception>
    public static void Require(IServiceCollection services, IConfiguration configuration)
    {
        List<string> errors = [.. From(services).Errors(configuration), .. KestrelLimits.Errors(configuration)];
        if (errors.Count > 0)
        {
            throw new InvalidConfigurationException(errors);
        }
    }

    /// <summary>The sections registered so far.</summary>
    public static KnownSettings From(IServiceCollection services) => new(services.Select(s => s.ImplementationInstance).OfType<KnownSection>());

    /// <summary>One sentence for each setting that is wrong.</summary>
    public IEnumerable<string> Errors(IConfiguration configuration) =>
        Roots.SelectMany(root => Errors(configuration.GetSection(root), _types.GetValueOrDefault(root)))
            .Concat(LogLevels(configuration.GetSection("Logging")).SelectMany(levels => Errors(levels, typeof(Dictionary<string, LogLevel>))));

    private static IEnumerable<IConfigurationSection> LogLevels(IConfigurationSection logging) =>
        logging.GetChildren().Select(provider => provider.GetSection("LogLevel")).Prepend(logging.GetSection("LogLevel"));

    /// <param name="section">A section or a value.</param>
    /// <param name="type">The type bound to it; null where only sections below it are known.</param>
    private IEnumerable<string> Errors(IConfigurationSection section, Type? type)
    {
        type = type is null ? null : Nullable.GetUnderlyingType(type) ?? type;
        var children = section.GetChildren().ToList();
        if (type is not null && IsValue(type))
        {
            return children.Count > 0 ? [$"{section.Path} is one value, not a section or a list."]
                : section.Value is { } value && Expected(type, value) is { } expected ? [$"{section.Path} is not {expected}: {value}"]
                : [];
        }

        // JSON's {} and [] are read as an empty string.
        return !string.IsNullOrEmpty(section.Value) ? [$"{section.Path} is a section or a list, not one value."]
            : type is not null && ElementType(type) is { } element ? children.SelectMany(child => Errors(child, element))
            : ChildErrors(section, children, type is null ? [] : Settings(type));
    }

    private IEnumerable<string> ChildErrors(IConfigurationSection section, List<IConfigurationSection> children, Dictionary<string, Type> settings)
    {
        foreach (var child in children)
        {
            var below = child.Path + ":";
            if (settings.TryGetValue(child.Key, out var type) || _types.TryGetValue(child.Path, out type)
                || _types.Keys.Any(path => path.StartsWith(below, StringComparison.OrdinalIgnoreCase)))
            {
                foreach (var error in Errors(child, type))
                {
                    yield return error;
                }
            }
            else
            {
                var prefix = section.Path + ":";
                var known = settings.Keys
                    .Concat(_types.Keys.Where(p => p.StartsWith(prefix, StringComparison.OrdinalIgnoreCase)).Select(p => p[prefix.Length..].Split(':')[0]))
                    .Distinct(StringComparer.OrdinalIgnoreCase).Order(StringComparer.Ordinal).ToList();
                yield return $"{child.Path} is not a setting. {section.Path} has {(known.Count == 0 ? "none" : string.Join(", ", known))}.";
            }
        }
    }

    private Dictionary<string, Type> Settings(Type type) => type
        .GetProperties(BindingFlags.Public | BindingFlags.Instance)
        .Where(p => !_unread.Contains((type, p.Name)) && (p.CanWrite || !IsValue(p.PropertyType) || type.GetConstructor([]) is null))
        // TLS protocols are a list, unlike HTTP protocols.
        .ToDictionary(p => p.Name, p => (Nullable.GetUnderlyingType(p.PropertyType) ?? p.PropertyType) == typeof(SslProtocols) ? typeof(SslProtocols[]) : p.PropertyType,
            StringComparer.OrdinalIgnoreCase);

    private static bool IsValue(Type type) => TypeDescriptor.GetConverter(type).CanConvertFrom(typeof(string));

    /// <summary>The type of a list's or a dictionary's values; null for any other type.</summary>
    private static Type? ElementType(Type type)
    {
        var enumerable = type.GetInterfaces().Prepend(type).FirstOrDefault(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IEnumerable<>));
        return enumerable?.GetGenericArguments()[0] is not { } element ? null
            : element.IsGenericType && element.GetGenericTypeDefinition() == typeof(KeyValuePair<,>) ? element.GetGenericArguments()[1]
            : element;
    }

    /// <returns>What the value must be; null when it is valid.</returns>
    private static string? Expected(Type type, string value)
    {
        if (type == typeof(TimeSpan))
        {
            // Without a colon it would be read as days.
            return value.Contains(':', StringComparison.Ordinal) && TimeSpan.TryParse(value, CultureInfo.InvariantCulture, out _)
                ? null : "a time span such as 00:00:10";
        }

        if (type.IsEnum)
        {
            return Enum.TryParse(type, value, ignoreCase: true, out var member) && Enum.IsDefined(type, member)
                ? null : $"one of {string.Join(", ", Enum.GetNames(type))}";
        }

        if (type == typeof(Version))
        {
            return Version.TryParse(value.Contains('.', StringComparison.Ordinal) ? value : value + ".0", out _) ? null : "a version such as 1.1 or 2";
        }

        try
        {
            TypeDescriptor.GetConverter(type).ConvertFromInvariantString(value);
            return null;
        }
        catch (Exception e) when (e is ArgumentException or FormatException or NotSupportedException)
        {
            return type == typeof(bool) ? "true or false"
                : type.IsPrimitive ? "a number in range"
                : $"a {type.Name}";
        }
    }
}
