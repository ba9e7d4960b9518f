using System.ComponentModel.DataAnnotations;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Options;
using UserSvc.Api.Database;

namespace UserSvc.Api.Users;

/// <summary>Section <c>Audit</c>.</summary>
internal sealed class AuditOptions
{
    /// <summary>How users' names appear. Default <see cref="AuditNames.Hashed"/>.</summary>
    [EnumDataType(typeof(AuditNames))]
    public AuditNames Names { get; set; }

    /// <summary>Refusals logged in one second; the others are only counted. Default 20; 1 to 10,000.</summary>
    [Range(1, 10_000)]
    public int RefusalsPerSecond { get; set; } = 20;
}

internal enum AuditNames
{
    Hashed,
    Clear,
}

/// <summary>
/// Logs who did what to users: each administrator's request, each replaced or deleted user, each refused password or key. Never a
/// password, a key or a body. Keys and names appear as the first 8 hex digits of their SHA-256.
/// </summary>
internal sealed partial class Audit(ILoggerFactory loggers, ClientAddress clients, IOptions<AuditOptions> options, IOptions<AdminOptions> admin, TimeProvider time)
{
    public const string Category = "UserSvc.Audit";

    private readonly ILogger _logger = loggers.CreateLogger(Category);
    private readonly string _administrator = admin.Value.Key is { } key ? Fingerprint(key) : "none";
    private readonly Lock _gate = new();
    private long _second;
    private int _refusals;

    /// <summary>Logs the administrator's request when it ends, because only then is its status known.</summary>
    public void AdministratorRequest(HttpContext context)
    {
        var (action, client) = (Action(context), clients.Get(context));
        context.Response.OnCompleted(() =>
        {
            LogAdministratorRequest(_logger, _administrator, client, action, context.Response.StatusCode);
            return Task.CompletedTask;
        });
    }

    public ProblemHttpResult AdministratorRefused(HttpContext context, ProblemHttpResult answer)
    {
        if (MayLogRefusal())
        {
            var (action, client) = (Action(context), clients.Get(context));
            LogAdministratorRefused(_logger, client, action, answer.StatusCode);
        }

        return answer;
    }

    public ProblemHttpResult PasswordRefused(HttpContext context, string name, ProblemHttpResult answer)
    {
        if (MayLogRefusal())
        {
            var (action, client, user) = (Action(context), clients.Get(context), Name(name));
            LogPasswordRefused(_logger, client, action, user, answer.StatusCode);
        }

        return answer;
    }

    public void UserReplaced(HttpContext context, User user)
    {
        var (client, name) = (clients.Get(context), Name(user.Name));
        LogUserReplaced(_logger, user.UuidText, name, "owner", client);
    }

    public void UserDeleted(HttpContext context, User user, bool byAdministrator)
    {
        var (client, name, by) = (clients.Get(context), Name(user.Name), byAdministrator ? $"administrator {_administrator}" : "owner");
        LogUserDeleted(_logger, user.UuidText, name, by, client);
    }

    // The endpoint's name. Null only outside an endpoint, where nothing is audited.
    private static string? Action(HttpContext context) => context.GetEndpoint()?.Metadata.GetMetadata<IEndpointNameMetadata>()?.EndpointName;

    private static string Fingerprint(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 4));

    private string Name(string name) => options.Value.Names == AuditNames.Clear ? name : Fingerprint(name);

    // Attackers choose how many requests are refused; they must not choose how many lines are written.
    private bool MayLogRefusal()
    {
        lock (_gate)
        {
            var second = time.GetUtcNow().ToUnixTimeSeconds();
            if (second != _second)
            {
                if (_refusals > options.Value.RefusalsPerSecond)
                {
                    LogRefusalsOmitted(_logger, _refusals - options.Value.RefusalsPerSecond);
                }

                (_second, _refusals) = (second, 0);
            }

            return ++_refusals <= options.Value.RefusalsPerSecond;
        }
    }

    [LoggerMessage(Level = LogLevel.Information, EventName = "AdministratorRequest", Message = "Administrator {Fingerprint} at {Client} sent {Action}, which was answered with {Status}")]
    private static partial void LogAdministratorRequest(ILogger logger, string fingerprint, string client, string? action, int status);

    [LoggerMessage(Level = LogLevel.Information, EventName = "AdministratorRefused", Message = "{Client} sent {Action} without the right administrator's key, which was refused with {Status}")]
    private static partial void LogAdministratorRefused(ILogger logger, string client, string? action, int status);

    [LoggerMessage(Level = LogLevel.Information, EventName = "PasswordRefused", Message = "{Client} sent {Action} with a password for {Name}, which was refused with {Status}")]
    private static partial void LogPasswordRefused(ILogger logger, string client, string? action, string name, int status);

    [LoggerMessage(Level = LogLevel.Information, EventName = "UserReplaced", Message = "User {Uuid}, {Name}, was replaced by {By} at {Client}")]
    private static partial void LogUserReplaced(ILogger logger, string uuid, string name, string by, string client);

    [LoggerMessage(Level = LogLevel.Information, EventName = "UserDeleted", Message = "User {Uuid}, {Name}, was deleted by {By} at {Client}")]
    private static partial void LogUserDeleted(ILogger logger, string uuid, string name, string by, string client);

    [LoggerMessage(Level = LogLevel.Information, EventName = "RefusalsOmitted", Message = "{Count} more refusals were not logged: they came within one second")]
    private static partial void LogRefusalsOmitted(ILogger logger, int count);
}
