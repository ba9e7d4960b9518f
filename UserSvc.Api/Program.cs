using System.ComponentModel.DataAnnotations;
using System.Text;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Scalar.AspNetCore;
using UserSvc.Api.Database;
using UserSvc.Api.Passwords;
using UserSvc.Api.Users;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api;

internal static class Program
{
    private static Task<int> Main(string[] args)
    {
        // One thread: a read stays on it from its request to its answer, except for its query.
        SocketThreads.CompleteInline(count: 1);
        return ServiceProgram.RunAsync(() => Build(args), Console.Error);
    }

    /// <summary>Builds the service without starting it. Tests run it in-process, with their own ports and clock.</summary>
    public static WebApplication Build(string[] args, TimeProvider? time = null)
    {
        var builder = WebApplication.CreateSlimBuilder(args);
        builder.Services.Configure<KestrelServerOptions>(builder.Configuration.GetSection("Kestrel"));
        builder.Services.AddSingleton(time ?? TimeProvider.System);
        builder.AddLoopbackPort();
        builder.WebHost.UseSockets(sockets => sockets.UnsafePreferInlineScheduling = true);
        // Latin-1 reads any bytes. Headers that the service ignores must not fail a request (RFC 9110, 5.5).
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.RequestHeaderEncodingSelector = _ => Encoding.Latin1);
        builder.AddServiceDefaults("usersvc");
        builder.AddUsersDatabase();
        builder.AddPasswords();
        builder.AddUsers();
        builder.Services.AddOpenApiContract();
        KnownSettings.Require(builder.Services, builder.Configuration);

        var app = builder.Build();
        app.UseFairTurns();
        app.UseServiceDefaults();
        app.UseAttemptNumber();
        app.UseProblemJson();
        app.UseNoSniffing();
        app.UseUtf8Only();
        app.MapHealthEndpoints();
        app.MapUsers();
        app.MapOpenApi().OnlyRead();
        if (app.Environment.IsDevelopment())
        {
            app.MapScalarApiReference();
        }

        return app;
    }

    // Keeps a browser from taking a full name that looks like a page for one.
    private static void UseNoSniffing(this WebApplication app) => app.Use(next => context =>
    {
        context.Response.Headers.XContentTypeOptions = "nosniff";
        return next(context);
    });

    private static void AddLoopbackPort(this WebApplicationBuilder builder)
    {
        builder.Services.AddCheckedOptions<ListenOptions>(ListenOptions.Section);
        if (builder.Configuration[$"{ListenOptions.Section}:{nameof(ListenOptions.LoopbackPort)}"] is { Length: > 0 } port)
        {
            // The options are validated before Kestrel binds. Without PreferHostingUrls, Kestrel's configured endpoints would take precedence.
            builder.WebHost.UseUrls($"http://127.0.0.1:{port}").PreferHostingUrls(true);
        }
    }
}

/// <summary>Section <c>Listen</c>.</summary>
internal sealed class ListenOptions
{
    public const string Section = "Listen";

    /// <summary>
    /// For an instance behind a sidecar: listen on this port of 127.0.0.1 only, whatever URLs, ports and Kestrel endpoints images and
    /// orchestrators configure. Default none: those apply. 1 to 65535.
    /// </summary>
    [Range(1, 65535)]
    public int? LoopbackPort { get; set; }
}
