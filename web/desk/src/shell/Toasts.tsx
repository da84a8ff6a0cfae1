import '@mantine/core/styles/Loader.css'
import '@mantine/core/styles/Notification.css'
import '@mantine/notifications/styles.css'
import { Notifications } from '@mantine/notifications'

export default function Toasts() {
	return <Notifications position="bottom-right" limit={3} autoClose={6000} zIndex={300} />
}
