using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using UserSvc.ServiceDefaults;
using UserSvc.Tests.AppHost;

namespace UserSvc.Tests;

public sealed partial class LogEventsTests
{
    /// <summary>Classes that log in another's category.</summary>
    private static readonly Dictionary<string, string> Categories = new()
    {
        ["UserSvc.Api.Users.Audit"] = "UserSvc.Audit",
        ["UserSvc.Edge.Discovery.KubernetesSource"] = "UserSvc.Edge.Discovery.DiscoverySource",
        ["UserSvc.Edge.Listeners.CertificateFiles"] = "UserSvc.Edge.Listeners.TlsCertificates",
    };

    [Fact]
    public void TableOfEvents_InTheDocs_IsWhatTheServicesLog()
    {
        Assembly[] services = [typeof(UserSvc.Api.Program).Assembly, typeof(UserSvc.Edge.Program).Assembly, typeof(Drain).Assembly];
        var logged =
            from service in services
            from type in service.GetTypes()
            from method in type.GetMethods(BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
            let message = method.GetCustomAttribute<LoggerMessageAttribute>()
            where message?.Level >= LogLevel.Information
            select $"{Categories.GetValueOrDefault(type.FullName!, type.FullName!)} {message.EventName ?? method.Name} {message.Level}";

        var documented = Rows().Matches(File.ReadAllText(Manifest.RepositoryFile("docs/telemetry.md")))
            .Select(row => $"{row.Groups["category"]} {row.Groups["event"]} {row.Groups["level"]}");

        Assert.Equal(logged.Order(), documented.Order());
    }

    // | `UserSvc.Edge.Resilience.Ejections` | `LogEjected` | Warning | when | who must act |
    [GeneratedRegex(@"^\| `(?<category>UserSvc\.[\w.]+)` \| `(?<event>\w+)` \| (?<level>\w+) \| [^|]+ \| [^|]+ \|\r?$", RegexOptions.Multiline)]
    private static partial Regex Rows();
}
