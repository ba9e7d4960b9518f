using System.ComponentModel.DataAnnotations;

namespace UserSvc.Api;

/// <summary>Section <c>Listen</c>.</summary>
internal sealed class ListenOptions
{
    public const string Section = "Listen";

    /// <summary>
    /// For an instance behind a sidecar: it listens at this port of 127.0.0.1 and nowhere else, whatever URLs, ports and Kestrel endpoints
    /// are configured, as images and orchestrators set some. Default none: those count. 1 to 65535.
    /// </summary>
    [Range(1, 65535)]
    public int? LoopbackPort { get; set; }
}

internal static class Listening
{
    public static void AddLoopbackPort(this WebApplicationBuilder builder)
    {
        builder.Services.AddOptions<ListenOptions>().BindConfiguration(ListenOptions.Section).ValidateDataAnnotations().ValidateOnStart();
        if (builder.Configuration[$"{ListenOptions.Section}:{nameof(ListenOptions.LoopbackPort)}"] is { Length: > 0 } port)
        {
            // The options are validated before anything is bound. Without the second setting, Kestrel's own endpoints would come first.
            builder.WebHost.UseUrls($"http://127.0.0.1:{port}").PreferHostingUrls(true);
        }
    }
}
