using System.Globalization;
using Microsoft.AspNetCore.Builder;

namespace UserSvc.ServiceDefaults;

/// <summary>
/// The threads that poll the sockets go on with what they find, because waking another thread for each step of a short request costs more than
/// the steps. What takes long or blocks must run elsewhere.
/// </summary>
public static class SocketThreads
{
    /// <summary>Comes before the first socket: these environment variables are the runtime's only switches, and it reads them once.</summary>
    /// <param name="count">The number of threads, unless the environment sets another; null is the runtime's choice, which grows with the cores.</param>
    public static void CompleteInline(int? count = null)
    {
        SetDefault("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");
        SetDefault("DOTNET_SYSTEM_NET_SOCKETS_THREAD_COUNT", count?.ToString(CultureInfo.InvariantCulture));

        static void SetDefault(string variable, string? value) => Environment.SetEnvironmentVariable(variable, Environment.GetEnvironmentVariable(variable) ?? value);
    }

    /// <summary>
    /// For a service whose Kestrel handles requests on these threads: a client that pipelines requests which wait for nothing would keep its
    /// thread to itself. Comes first in the pipeline.
    /// </summary>
    public static void UseFairTurns(this WebApplication app) => app.Use(next => context =>
    {
        var request = next(context);
        return request.IsCompletedSuccessfully ? YieldAsync() : request;

        static async Task YieldAsync() => await Task.Yield();
    });
}
