using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.Configuration;
using UserSvc.AppHost.Postgres;

namespace UserSvc.AppHost.Topology;

/// <summary>The options of a local run, from the command line (<c>--Replicas 5</c>) or the environment (<c>Replicas=5</c>).</summary>
internal sealed record TopologyOptions
{
    /// <summary>Instances of the user service: 1 to 20, default 3.</summary>
    public required int Replicas { get; init; }

    /// <summary>Whether each instance listens on loopback only, behind its own sidecar. Default false.</summary>
    public required bool Sidecars { get; init; }

    /// <summary>The edge's public port, default 8080.</summary>
    public required int Port { get; init; }

    /// <summary>The edge's health port, default 8002.</summary>
    public required int HealthPort { get; init; }

    /// <summary>The edge's admin port, default 8001; on 127.0.0.1 only.</summary>
    public required int AdminPort { get; init; }

    /// <summary>Whether the edge also serves https, with a certificate for localhost. Default false.</summary>
    public required bool Tls { get; init; }

    /// <summary>The edge's https port, default 8443.</summary>
    public required int TlsPort { get; init; }

    /// <summary>The host or address that the edge's public ports listen on, default <c>localhost</c>; <c>*</c> opens them to the network.</summary>
    public required string BindAddress { get; init; }

    /// <summary>Whether the Aspire dashboard runs, default true.</summary>
    public required bool Dashboard { get; init; }

    /// <summary>Whether to delete all users first. Default false.</summary>
    public required bool Fresh { get; init; }

    /// <summary><c>Container</c> or <c>Local</c>; null lets <see cref="PostgresChoice"/> decide.</summary>
    public required PostgresKind? Postgres { get; init; }

    /// <summary>Holds the run's data, secrets and locks; default <c>.local</c> in the repository.</summary>
    public required string StateFolder { get; init; }

    /// <exception cref="LaunchException">A value is invalid; the message names the option and what it takes.</exception>
    public static TopologyOptions Read(string[] arguments)
    {
        IConfiguration configuration = new ConfigurationBuilder().AddEnvironmentVariables().AddCommandLine(arguments).Build();
        return new()
        {
            Replicas = Number(configuration, nameof(Replicas), 3, 1, 20),
            Sidecars = Switch(configuration, nameof(Sidecars), false),
            Port = Number(configuration, nameof(Port), 8080, 1, 65535),
            HealthPort = Number(configuration, nameof(HealthPort), 8002, 1, 65535),
            AdminPort = Number(configuration, nameof(AdminPort), 8001, 1, 65535),
            Tls = Switch(configuration, nameof(Tls), false),
            TlsPort = Number(configuration, nameof(TlsPort), 8443, 1, 65535),
            BindAddress = Text(configuration, nameof(BindAddress)) ?? "localhost",
            Dashboard = Switch(configuration, nameof(Dashboard), true),
            Fresh = Switch(configuration, nameof(Fresh), false),
            Postgres = Text(configuration, nameof(Postgres)) is not { } kind ? null
                : Enum.TryParse<PostgresKind>(kind, ignoreCase: true, out var parsed) && Enum.IsDefined(parsed) ? parsed
                : throw new LaunchException($"Postgres must be Container or Local, not '{kind}'."),
            StateFolder = Path.GetFullPath(Text(configuration, nameof(StateFolder)) ?? BuiltPath(nameof(StateFolder))),
        };
    }

    /// <summary>Refuses what the command line provider ignores: an unknown option, or one without a value.</summary>
    /// <exception cref="LaunchException">The message names the option.</exception>
    public static void CheckNames<TOptions>(IReadOnlyList<string> arguments, params IEnumerable<string> others)
    {
        var known = typeof(TOptions).GetProperties().Select(property => property.Name).ToList();
        for (var i = 0; i < arguments.Count; i++)
        {
            var parts = arguments[i].Split('=', 2);
            if (!known.Concat(others).Any(name => string.Equals(parts[0], "--" + name, StringComparison.OrdinalIgnoreCase)))
            {
                throw new LaunchException($"Unknown option '{arguments[i]}'. Known: {string.Join(", ", known.Select(name => "--" + name))}, each with a value.");
            }

            if (parts.Length == 1 && ++i == arguments.Count)
            {
                throw new LaunchException($"{parts[0]} needs a value.");
            }
        }
    }

    /// <summary>A path that the build stored in this assembly.</summary>
    public static string BuiltPath(string name) =>
        typeof(TopologyOptions).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(fact => fact.Key == name).Value!;

    public static string? Text(IConfiguration configuration, string name) => configuration[name] is { Length: > 0 } value ? value : null;

    private static int Number(IConfiguration configuration, string name, int defaultValue, int min, int max) =>
        Text(configuration, name) is not { } text ? defaultValue
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max ? number
        : throw new LaunchException($"{name} must be a whole number from {min} to {max}, not '{text}'.");

    public static bool Switch(IConfiguration configuration, string name, bool defaultValue) =>
        Text(configuration, name) is not { } text ? defaultValue
        : bool.TryParse(text, out var value) ? value
        : throw new LaunchException($"{name} must be true or false, not '{text}'.");
}
